-- Which products bring most revenue?
SELECT product_id, product_name, count_items_sold AS items, revenue
FROM commerce.products ORDER BY revenue DESC, product_id
