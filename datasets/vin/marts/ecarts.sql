SELECT * FROM vin_prep.ecarts
