SELECT p.produit_id, l.id_web
FROM vin_dw.fact_liaison l JOIN vin_dw.dim_produit p USING (produit_key)
WHERE l.id_web IS NOT NULL AND NOT EXISTS (SELECT FROM vin_dw.fact_article a WHERE a.sku = l.id_web AND a.type_article = 'product')
