SELECT product_id, product_name, product_type, product_description, product_price,
       product_type = 'jaffle' AS is_food_item, product_type = 'beverage' AS is_drink_item
FROM commerce_dw.dim_product
