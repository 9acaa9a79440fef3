SELECT date_vente, categorie, rayon, ventes, chiffre_affaires
FROM supermarche.chiffre_affaires
ORDER BY date_vente, categorie, rayon
