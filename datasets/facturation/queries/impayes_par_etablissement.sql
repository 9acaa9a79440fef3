-- Combien de factures et quel montant impayé par établissement ?
SELECT e.etablissement_id, e.nom_etablissement, e.type_etablissement, e.ville,
       count(*) AS nb_factures,
       count(*) FILTER (WHERE f.montant_impaye > 0) AS nb_factures_impayees,
       sum(f.montant_facture) AS total_facture,
       sum(f.montant_paye) AS total_paye,
       sum(f.montant_impaye) AS total_impaye
FROM dw.fact_facturation f
JOIN dw.dim_etablissement e USING (etablissement_key)
GROUP BY e.etablissement_key, e.etablissement_id, e.nom_etablissement, e.type_etablissement, e.ville
ORDER BY total_impaye DESC, e.etablissement_id
