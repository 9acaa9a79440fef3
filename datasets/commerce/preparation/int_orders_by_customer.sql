SELECT customer_id, count(*) AS count_lifetime_orders, min(ordered_at) AS first_ordered_at, max(ordered_at) AS last_ordered_at,
       sum(subtotal) AS lifetime_spend_pretax, sum(tax_paid) AS lifetime_tax_paid, sum(order_total) AS lifetime_spend
FROM commerce_prep.stg_orders
GROUP BY customer_id
