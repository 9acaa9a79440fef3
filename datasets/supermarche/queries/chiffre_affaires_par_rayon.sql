-- Quel chiffre d'affaires par rayon, le plus fort d'abord ?
SELECT rayon, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
WHERE current_setting('fonderie.jour') IN ('', date_vente::text) AND current_setting('fonderie.rayon') IN ('', rayon)
GROUP BY rayon
ORDER BY chiffre_affaires DESC NULLS LAST, rayon
