SELECT o.order_id
FROM commerce_dw.fact_order o
JOIN commerce_dw.fact_order_with_dim_location l USING (order_key)
WHERE (o.order_key IN (SELECT order_key FROM changed_fact_order) OR o.location_key IN (SELECT location_key FROM changed_dim_location))
  AND abs(o.tax_paid - o.subtotal * l.tax_rate) > 0.01
