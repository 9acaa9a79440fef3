-- The features of each invoice as of the run's date. What an invoice is paid and waited for is judged against all others.
SELECT f.facture_key AS key,
       dw.etat_facture(f) AS state,
       f.montant_impaye,
       dw.delai_a_la_date(f, s.as_of) AS delai_paiement_jours,
       f.montant_facture
FROM dw.fact_facturation f CROSS JOIN scoring s
