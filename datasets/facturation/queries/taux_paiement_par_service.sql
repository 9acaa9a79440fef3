-- Quelle part du montant facturé est payée, par service ?
SELECT s.code_service, s.nom_service, s.categorie,
       count(*) AS nb_factures,
       sum(f.montant_facture) AS total_facture,
       sum(f.montant_paye) AS total_paye,
       round(100 * sum(f.montant_paye) / nullif(sum(f.montant_facture), 0), 2) AS taux_paiement_pourcent
FROM dw.fact_facturation f
JOIN dw.dim_service s USING (service_key)
GROUP BY s.service_key, s.code_service, s.nom_service, s.categorie
ORDER BY taux_paiement_pourcent NULLS LAST, s.code_service
