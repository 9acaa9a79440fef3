-- The features of each invoice as of the run's date. What an invoice is paid and waited for is judged against all others.
-- Who has paid nothing has been waited for since the date of the invoice, at least a day: a delay of 0 would make of the worst payer the
-- best one.
SELECT f.facture_key AS key,
       f.montant_impaye,
       CASE WHEN f.delai_paiement_jours IS NOT NULL AND (f.montant_paye > 0 OR f.montant_impaye = 0) THEN f.delai_paiement_jours
            ELSE greatest(s.as_of - f.date_facture, 1) END AS delai_paiement_jours,
       f.montant_facture
FROM dw.fact_facturation f CROSS JOIN scoring s
