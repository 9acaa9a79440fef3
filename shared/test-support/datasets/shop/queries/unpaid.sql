-- Orders of a customer that are not paid.
SELECT s.shop_id, o.order_no
FROM shop_dw.fact_order o JOIN shop_dw.dim_shop s USING (shop_key)
WHERE NOT o.paid
ORDER BY 1, 2
