-- Quels patients relancer, dans quel ordre et pourquoi ?
SELECT priorite, patient_id, nom, prenom, total_impaye, nb_factures_impayees, motif,
       impaye_0_30, impaye_31_60, impaye_61_90, impaye_90_plus, plus_ancienne
FROM datamart.relance
ORDER BY CASE priorite WHEN 'URGENT' THEN 1 WHEN 'PRIORITAIRE' THEN 2 ELSE 3 END,
         total_impaye DESC, plus_ancienne, patient_id, patient_key
