-- Quels libellés sont ceux de plusieurs produits ?
SELECT libelle, count(*) AS produits, string_agg(produit_id, ' ' ORDER BY produit_id) AS codes
FROM supermarche_dw.dim_produit
WHERE libelle IS NOT NULL
GROUP BY libelle
HAVING count(*) > 1
ORDER BY libelle
