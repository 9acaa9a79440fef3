-- Premium and ordinary wines: how many, their prices and their revenue.
SELECT categorie, count(*) AS vins, min(prix) AS prix_min, max(prix) AS prix_max, sum(ventes)::bigint AS ventes, sum(chiffre_affaires) AS chiffre_affaires
FROM vin.chiffre_affaires_par_produit
GROUP BY categorie
ORDER BY categorie DESC
