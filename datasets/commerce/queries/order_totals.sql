-- How many orders were there, of what amounts, and when were the first and the last one?
SELECT count(*) AS orders, sum(subtotal) AS subtotal, sum(tax_paid) AS tax_paid, sum(order_total) AS order_total,
       round(avg(order_total), 6) AS average_order, percentile_cont(0.5) WITHIN GROUP (ORDER BY order_total)::numeric(12, 3) AS median_order,
       min(ordered_at) AS first_ordered_at, max(ordered_at) AS last_ordered_at
FROM commerce.orders
