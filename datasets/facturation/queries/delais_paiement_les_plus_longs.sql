-- Quelles sont les dix factures payées, en tout ou en partie, avec le plus long délai ?
SELECT e.etablissement_id, f.facture_id, p.patient_id, p.nom, p.prenom, s.nom_service,
       f.date_facture, f.date_paiement, f.delai_paiement_jours, f.montant_facture, f.montant_paye, f.montant_impaye
FROM dw.fact_facturation f
JOIN dw.dim_etablissement e USING (etablissement_key)
JOIN dw.dim_patient p USING (patient_key)
JOIN dw.dim_service s USING (service_key)
WHERE f.delai_paiement_jours IS NOT NULL
ORDER BY f.delai_paiement_jours DESC, f.montant_facture DESC, e.etablissement_id, f.facture_id
LIMIT 10
