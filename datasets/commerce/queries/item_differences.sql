-- Which orders have items whose prices do not add up to the subtotal?
SELECT order_id, ordered_at, subtotal, order_items_subtotal, order_items_subtotal - subtotal AS difference
FROM commerce.orders WHERE order_items_subtotal <> subtotal ORDER BY ordered_at, order_id
