-- The revenue of each product, the greatest first.
SELECT rang, produit_id, sku, nom, prix, ventes, chiffre_affaires, chiffre_affaires_cumule, categorie
FROM vin.chiffre_affaires_par_produit
ORDER BY chiffre_affaires DESC, produit_id
LIMIT abs(nullif(current_setting('fonderie.lignes'), '')::bigint)
