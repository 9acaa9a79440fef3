-- How many orders had each store, and of what amounts?
SELECT location_id, location_name, count_orders AS orders, subtotal, tax_paid, order_total
FROM commerce.locations ORDER BY order_total DESC, location_name, location_id
