-- Quels employés ont vendu le plus ?
SELECT employe_id, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
WHERE employe_id IS NOT NULL AND current_setting('fonderie.jour') IN ('', date_vente::text)
GROUP BY employe_id
ORDER BY chiffre_affaires DESC NULLS LAST, employe_id
LIMIT greatest(current_setting('fonderie.nombre')::bigint, 0)
