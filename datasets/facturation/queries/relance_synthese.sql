-- Combien de patients à relancer et pour quel montant, par priorité ?
SELECT priorite, count(*) AS nb_patients, sum(nb_factures_impayees)::bigint AS nb_factures_impayees,
       sum(total_impaye) AS total_impaye, sum(impaye_90_plus) AS dont_plus_de_90_jours, min(plus_ancienne) AS plus_ancienne
FROM datamart.relance
GROUP BY priorite
ORDER BY CASE priorite WHEN 'URGENT' THEN 1 WHEN 'PRIORITAIRE' THEN 2 ELSE 3 END
