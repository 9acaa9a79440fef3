-- Quels clients ont acheté le plus ?
SELECT client_id, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
WHERE client_id IS NOT NULL AND current_setting('fonderie.jour') IN ('', date_vente::text)
GROUP BY client_id
ORDER BY chiffre_affaires DESC NULLS LAST, client_id
LIMIT greatest(current_setting('fonderie.nombre')::bigint, 0)
