-- Que serait le chiffre d'affaires aux prix d'aujourd'hui, par rayon de la vente, et en tout ?
SELECT coalesce(v.rayon, CASE grouping(v.rayon) WHEN 1 THEN 'TOTAL' END) AS rayon, count(*) AS ventes,
       sum(v.prix) AS au_prix_du_jour, sum(p.prix) AS au_prix_actuel, sum(p.prix) - sum(v.prix) AS difference
FROM supermarche.ventes_valorisees v JOIN supermarche_dw.dim_produit p USING (produit_id)
GROUP BY ROLLUP (v.rayon)
HAVING grouping(v.rayon) = 1 OR sum(p.prix) IS DISTINCT FROM sum(v.prix)
ORDER BY grouping(v.rayon), v.rayon
