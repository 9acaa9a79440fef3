SELECT sku FROM vin_dw.fact_article WHERE type_article = 'product' GROUP BY sku HAVING count(sku) > 1
