SELECT c.order_id
FROM changed_fact_order c JOIN commerce_dw.fact_order o USING (order_key)
JOIN commerce_dw.fact_order_with_dim_location l USING (order_key)
WHERE abs(o.tax_paid - o.subtotal * l.tax_rate) > 0.01
