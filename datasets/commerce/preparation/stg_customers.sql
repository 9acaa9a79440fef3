SELECT customer_id, customer_name FROM commerce_dw.dim_customer
