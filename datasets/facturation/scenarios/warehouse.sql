-- What a scenario holds the warehouse to: natural keys and values, no surrogates, no times of the run.
SELECT 'fact' AS etat, e.etablissement_id, f.facture_id, p.patient_id, p.nom, p.prenom, p.age, s.code_service,
       f.date_facture, f.date_paiement, f.montant_facture, f.montant_paye, f.montant_impaye, f.delai_paiement_jours,
       v.key AS source_file, f.source_line
FROM dw.fact_facturation f
JOIN dw.dim_etablissement e ON e.etablissement_key = f.etablissement_key
JOIN dw.dim_patient p ON p.patient_key = f.patient_key
JOIN dw.dim_service s ON s.service_key = f.service_key
JOIN audit.object_version v ON v.object_version_key = f.object_version_key
UNION ALL
SELECT 'hist', e.etablissement_id, h.facture_id, p.patient_id, p.nom, p.prenom, p.age, s.code_service,
       h.date_facture, h.date_paiement, h.montant_facture, h.montant_paye, h.montant_facture - h.montant_paye,
       h.date_paiement - h.date_facture, v.key, h.source_line
FROM dw.hist_facturation h
JOIN dw.dim_etablissement e ON e.etablissement_key = h.etablissement_key
JOIN dw.dim_patient p ON p.patient_key = h.patient_key
JOIN dw.dim_service s ON s.service_key = h.service_key
JOIN audit.object_version v ON v.object_version_key = h.object_version_key
ORDER BY 1, 2, 3, 15
