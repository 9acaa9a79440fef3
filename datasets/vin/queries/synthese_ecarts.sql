-- How many lines do not reconcile, by origin and reason.
SELECT origine, motif, sum(lignes)::bigint AS lignes, sum(ventes)::bigint AS ventes
FROM vin.ecarts
GROUP BY origine, motif
ORDER BY origine, lignes DESC, motif
