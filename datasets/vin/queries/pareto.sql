-- How many products, the best sellers first, make a share of the revenue.
WITH produits AS (
    SELECT chiffre_affaires_cumule - chiffre_affaires AS avant, sum(chiffre_affaires) OVER () AS total, count(*) OVER () AS nombre
    FROM vin.chiffre_affaires_par_produit
)
SELECT count(*) AS produits, round(100.0 * count(*) / max(nombre), 1) AS pourcentage_des_produits
FROM produits
WHERE avant < total * current_setting('fonderie.part')::numeric / 100
