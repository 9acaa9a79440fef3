-- Price and supply cost are today's; revenue and cost of what was sold are those of the days of the orders.
SELECT p.product_id, p.product_name, p.product_type, p.product_description, p.is_food_item, p.is_drink_item, p.product_price,
       coalesce((SELECT sum(s.supply_cost) FROM commerce_prep.stg_supplies s WHERE s.product_id = p.product_id), 0.00) AS supply_cost,
       count(i.order_item_id) AS count_items_sold, coalesce(sum(i.product_price), 0.00) AS revenue, coalesce(sum(i.supply_cost), 0.00) AS cost_of_goods_sold
FROM commerce_prep.stg_products p LEFT JOIN commerce.order_items i USING (product_id)
GROUP BY p.product_id, p.product_name, p.product_type, p.product_description, p.is_food_item, p.is_drink_item, p.product_price
