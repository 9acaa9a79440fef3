-- Que voit le modèle des 50 factures impayées aux scores les plus bas ?
SELECT e.etablissement_id, f.facture_id, p.patient_id,
       f.montant_impaye,
       CASE WHEN f.delai_paiement_jours IS NOT NULL AND f.montant_paye > 0 THEN f.delai_paiement_jours
            ELSE greatest(a.as_of - f.date_facture, 1) END AS delai_jours_vu_du_modele,
       f.montant_facture,
       round(f.anomaly_score::numeric, 4) AS anomaly_score,
       f.anomaly_raison
FROM dw.fact_facturation f
JOIN dw.dim_etablissement e USING (etablissement_key)
JOIN dw.dim_patient p USING (patient_key)
JOIN audit.as_of a ON a.dataset = 'facturation'
WHERE f.montant_impaye > 0 AND f.anomaly_score IS NOT NULL
ORDER BY f.anomaly_score, e.etablissement_id, f.facture_id
LIMIT 50
