-- What was sold, at the prices that were in force on the day of the sale.
SELECT p.shop_id, sum(l.quantity * p.price) AS revenue
FROM shop_dw.fact_line l JOIN shop_dw.fact_line_with_dim_product p USING (fact_line_key)
GROUP BY p.shop_id
