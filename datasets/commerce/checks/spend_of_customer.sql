SELECT c.customer_id
FROM commerce_dw.fact_order o JOIN commerce_dw.dim_customer c USING (customer_key)
WHERE customer_key IN (SELECT customer_key FROM changed_fact_order JOIN commerce_dw.fact_order USING (order_key))
GROUP BY c.customer_id HAVING sum(o.subtotal) + sum(o.tax_paid) <> sum(o.order_total)
