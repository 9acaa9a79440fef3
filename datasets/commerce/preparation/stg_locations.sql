SELECT location_id, location_name, opened_date, tax_rate FROM commerce_dw.dim_location
