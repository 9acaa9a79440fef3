-- How many items of each type of product were sold, and for how much?
SELECT product_type, count(*) AS items, coalesce(sum(product_price), 0.00) AS revenue
FROM commerce.order_items GROUP BY product_type ORDER BY product_type DESC
