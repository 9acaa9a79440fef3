-- Combien de produits et de ventes par nombre de chiffres du code du produit ?
SELECT length(p.produit_id) AS chiffres, count(*) FILTER (WHERE p.member_status = 'current') AS produits, coalesce(sum(v.ventes), 0) AS ventes
FROM supermarche_dw.dim_produit p
LEFT JOIN (SELECT produit_key, count(*) AS ventes FROM supermarche_dw.fact_vente GROUP BY produit_key) v USING (produit_key)
GROUP BY 1
ORDER BY 1
