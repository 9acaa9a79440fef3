-- Comment évoluent la facturation, les paiements et les impayés, mois par mois ?
SELECT d.annee, d.mois, d.nom_mois,
       count(*) AS nb_factures,
       sum(f.montant_facture) AS total_facture,
       sum(f.montant_paye) AS total_paye,
       sum(f.montant_impaye) AS total_impaye,
       round(100 * sum(f.montant_paye) / nullif(sum(f.montant_facture), 0), 2) AS taux_paiement_pourcent,
       round(avg(f.delai_paiement_jours), 1) AS delai_moyen_jours
FROM dw.fact_facturation f
JOIN dw.dim_date d USING (date_key)
GROUP BY d.annee, d.mois, d.nom_mois
ORDER BY d.annee, d.mois
