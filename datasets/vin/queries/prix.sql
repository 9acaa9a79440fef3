-- How the prices are spread: mean, both standard deviations, quartiles, and the prices far above the others (more than 1.5 interquartile ranges above Q3).
WITH mesures AS (
    SELECT count(*) AS vins, avg(prix) AS moyenne, stddev_pop(prix) AS ecart_type_population, stddev_samp(prix) AS ecart_type_echantillon,
        min(prix) AS minimum, max(prix) AS maximum, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY prix) AS quartiles
    FROM vin.chiffre_affaires_par_produit
)
SELECT vins, round(moyenne, 6) AS moyenne, round(ecart_type_population, 6) AS ecart_type_population, round(ecart_type_echantillon, 6) AS ecart_type_echantillon,
    minimum, quartiles[1]::numeric(12, 2) AS q1, quartiles[2]::numeric(12, 2) AS mediane, quartiles[3]::numeric(12, 2) AS q3, maximum,
    (SELECT count(*) FROM vin.chiffre_affaires_par_produit WHERE prix > quartiles[3] + 1.5 * (quartiles[3] - quartiles[1])) AS prix_extremes
FROM mesures
