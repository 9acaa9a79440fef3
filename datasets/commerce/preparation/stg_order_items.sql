SELECT i.order_item_id, i.order_id, p.product_id
FROM commerce_dw.fact_order_item i JOIN commerce_dw.dim_product p USING (product_key)
