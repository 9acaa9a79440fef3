-- Which customers spent most?
SELECT customer_id, customer_name, count_lifetime_orders AS orders, lifetime_spend
FROM commerce.customers ORDER BY lifetime_spend DESC, customer_id
LIMIT greatest(current_setting('fonderie.customers')::bigint, 0)
