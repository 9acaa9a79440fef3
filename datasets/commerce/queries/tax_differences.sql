-- Which orders have a tax that differs by more than a cent from the rate of their store on that day?
SELECT o.order_id, l.tax_rate, o.subtotal, o.tax_paid, o.tax_paid - round(o.subtotal * l.tax_rate, 2) AS difference
FROM commerce_dw.fact_order o JOIN commerce_dw.fact_order_with_dim_location l USING (order_key)
WHERE abs(o.tax_paid - o.subtotal * l.tax_rate) > 0.01 ORDER BY o.ordered_at, o.order_id
