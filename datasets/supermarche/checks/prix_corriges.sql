-- The sale is the same, and the price of its day another one than in the mart, which still is as it was published last.
SELECT v.vente_id
FROM changed_dim_produit c
JOIN supermarche_dw.fact_vente v USING (produit_key)
JOIN supermarche.ventes_valorisees AS publie ON publie.vente_id = v.vente_id AND publie.prix IS NOT NULL
LEFT JOIN supermarche_dw.fact_vente_with_dim_produit p ON p.vente_key = v.vente_key
WHERE (publie.produit_id, publie.date_vente) = (c.produit_id, v.date_vente) AND publie.prix IS DISTINCT FROM p.prix
