SELECT s.supply_id, p.product_id, s.supply_name, s.supply_cost, s.is_perishable_supply
FROM commerce_dw.dim_supply s JOIN commerce_dw.dim_product p USING (product_key)
