-- Quel chiffre d'affaires par catégorie, la plus forte d'abord ?
SELECT categorie, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
WHERE current_setting('fonderie.jour') IN ('', date_vente::text)
GROUP BY categorie
ORDER BY chiffre_affaires DESC NULLS LAST, categorie
