-- Price and cost are those at the end of the order's day. An item of an order that no file has shown yet has none.
SELECT i.order_item_id, i.order_id, i.product_id, o.ordered_at, o.ordered_date, p.product_name, p.product_type,
       p.is_food_item, p.is_drink_item, d.product_price, d.supply_cost, d.perishable_cost
FROM commerce_prep.stg_order_items i
JOIN commerce_prep.stg_products p USING (product_id)
LEFT JOIN commerce_prep.stg_orders o USING (order_id)
LEFT JOIN commerce_prep.int_product_periods d ON d.product_id = i.product_id
  AND d.valid_from < (o.ordered_date + 1)::timestamp AT TIME ZONE 'America/New_York'
  AND d.valid_to >= (o.ordered_date + 1)::timestamp AT TIME ZONE 'America/New_York'
