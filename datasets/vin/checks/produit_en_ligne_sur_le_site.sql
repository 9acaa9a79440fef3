SELECT p.produit_id
FROM vin_dw.dim_produit p
WHERE p.vente_en_ligne AND NOT EXISTS (
    SELECT FROM vin_dw.fact_liaison l JOIN vin_dw.fact_article a ON a.sku = l.id_web
    WHERE l.produit_key = p.produit_key AND a.type_article = 'product')
