-- What a scenario compares: natural keys and values, no surrogates, no times of the run.
SELECT 'customer' AS record, c.customer_id AS key, concat_ws(' | ', c.customer_name, c.count_lifetime_orders, c.lifetime_spend, c.customer_type) AS "values"
FROM commerce.customers c
UNION ALL
SELECT 'product', p.product_id, concat_ws(' | ', p.product_name, p.product_type, p.product_price, p.supply_cost, p.count_items_sold, p.revenue)
FROM commerce.products p
UNION ALL
SELECT 'location', l.location_id, concat_ws(' | ', l.location_name, l.tax_rate, l.count_orders, l.order_total)
FROM commerce.locations l
UNION ALL
SELECT 'supply', s.supply_id || ' of ' || s.product_id, concat_ws(' | ', s.supply_name, s.supply_cost, s.is_perishable_supply)
FROM commerce.supplies s
UNION ALL
SELECT 'order', o.order_id, concat_ws(' | ', o.customer_id, o.location_id, o.ordered_at, o.subtotal, o.order_total, o.order_items_subtotal, o.order_cost)
FROM commerce.orders o
UNION ALL
SELECT 'order_item', i.order_item_id, concat_ws(' | ', i.order_id, i.product_id, i.product_price, i.supply_cost)
FROM commerce.order_items i
UNION ALL
SELECT 'check', r.check_id, concat_ws(' | ', r.status, r.violations, r.examples)
FROM audit.check_state s JOIN audit.check_result r USING (run_id, check_id) WHERE r.violations > 0
ORDER BY 1, 2, 3
