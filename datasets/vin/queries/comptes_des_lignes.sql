-- Where the rows of each table are: brought together, or in the list of what does not reconcile. A row that is in neither would be lost.
WITH lignes AS (
    SELECT 'erp' AS origine, produit_id AS reference, motif IS NULL AS rapprochee FROM vin_prep.rapprochement
    UNION ALL
    SELECT 'liaison', p.produit_id, r.produit_key IS NOT NULL
    FROM vin_dw.fact_liaison l
    JOIN vin_dw.dim_produit p USING (produit_key)
    LEFT JOIN vin_prep.rapprochement r ON r.produit_key = l.produit_key AND r.motif IS NULL
    UNION ALL
    SELECT 'web', a.guid, r.produit_key IS NOT NULL
    FROM vin_dw.fact_article a LEFT JOIN vin_prep.rapprochement r ON r.article_key = a.article_key AND r.motif IS NULL
), ecarts AS (
    SELECT DISTINCT origine, reference FROM vin.ecarts
)
SELECT origine, count(*) AS lignes, count(*) FILTER (WHERE rapprochee) AS rapprochees, count(*) FILTER (WHERE NOT rapprochee AND e.reference IS NOT NULL) AS ecarts,
    count(*) FILTER (WHERE NOT rapprochee AND e.reference IS NULL) AS perdues
FROM lignes LEFT JOIN ecarts e USING (origine, reference)
GROUP BY origine
ORDER BY origine
