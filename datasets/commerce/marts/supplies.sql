SELECT s.supply_id, s.product_id, p.product_name, s.supply_name, s.supply_cost, s.is_perishable_supply
FROM commerce_prep.stg_supplies s JOIN commerce_prep.stg_products p USING (product_id)
