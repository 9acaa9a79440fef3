-- Comment se répartissent les scores d'anomalie ?
SELECT CASE WHEN anomaly_score IS NULL THEN 'sans score'
            WHEN anomaly_score < -0.2 THEN 'anomalie forte'
            WHEN anomaly_score < -0.1 THEN 'anomalie modérée'
            WHEN anomaly_score < 0 THEN 'anomalie légère'
            ELSE 'normale' END AS niveau,
       count(*) AS nb_factures,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS pourcent,
       sum(montant_impaye) AS total_impaye,
       round(min(anomaly_score)::numeric, 4) AS score_minimal,
       round(max(anomaly_score)::numeric, 4) AS score_maximal
FROM dw.fact_facturation
GROUP BY 1
ORDER BY min(anomaly_score) NULLS LAST
