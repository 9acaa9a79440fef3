SELECT date_vente, categorie, rayon, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
GROUP BY date_vente, categorie, rayon
