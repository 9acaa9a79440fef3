-- The prices of the products that are brought together.
SELECT produit_key AS key, prix FROM vin_prep.rapprochement WHERE motif IS NULL
