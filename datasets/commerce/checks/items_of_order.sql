WITH changed AS (
  SELECT order_id FROM changed_fact_order
  UNION SELECT i.order_id FROM changed_fact_order_item c JOIN commerce_dw.fact_order_item i USING (order_item_key)
  UNION SELECT i.order_id FROM changed_dim_product c JOIN commerce_dw.fact_order_item i USING (product_key)
)
SELECT o.order_id
FROM changed JOIN commerce_dw.fact_order o USING (order_id)
LEFT JOIN commerce_prep.stg_order_items i USING (order_id)
LEFT JOIN commerce_prep.int_product_periods p ON p.product_id = i.product_id
  AND p.valid_from < (o.ordered_date + 1)::timestamp AT TIME ZONE 'America/New_York'
  AND p.valid_to >= (o.ordered_date + 1)::timestamp AT TIME ZONE 'America/New_York'
GROUP BY o.order_id, o.subtotal
HAVING coalesce(sum(p.product_price), 0) <> o.subtotal
