-- Quels patients ont des anomalies de paiement, et lesquelles ?
SELECT p.patient_domain, p.patient_id, p.nom, p.prenom,
       count(*) AS nb_factures_anormales,
       count(*) FILTER (WHERE f.anomaly_score < -0.1) AS nb_moderees_ou_fortes,
       sum(f.montant_impaye) AS montant_impaye_anormal,
       round(min(f.anomaly_score)::numeric, 4) AS score_minimal,
       (array_agg(f.anomaly_raison ORDER BY f.anomaly_score, e.etablissement_id, f.facture_id))[1] AS raison_principale
FROM dw.fact_facturation f
JOIN dw.dim_patient p USING (patient_key)
JOIN dw.dim_etablissement e USING (etablissement_key)
WHERE f.anomaly_score < 0
GROUP BY p.patient_key, p.patient_domain, p.patient_id, p.nom, p.prenom
ORDER BY min(f.anomaly_score), p.patient_domain, p.patient_id
