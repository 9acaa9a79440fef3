-- Ce que le score et la liste de relance demandent aux factures.

-- An invoice's state, as load.sql defines it, in one number: a score is written only to the state that was scored.
CREATE FUNCTION dw.etat_facture(f dw.fact_facturation) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT hash_record_extended(ROW((f).patient_key, (f).service_key, (f).date_facture, (f).date_paiement,
                                  (f).montant_facture, (f).montant_paye, (f).statut), 0)
$$;

-- The delay as the model sees it. Who has paid nothing has been waited for since the date of the invoice, at least a day:
-- a delay of 0 would make of the worst payer the best one. The column delai_paiement_jours stays empty.
CREATE FUNCTION dw.delai_a_la_date(f dw.fact_facturation, jour date) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN (f).delai_paiement_jours IS NOT NULL AND ((f).montant_paye > 0 OR (f).montant_impaye = 0)
              THEN (f).delai_paiement_jours
              ELSE greatest(jour - (f).date_facture, 1) END
$$;

-- Each load scores all invoices anew. With half of each page free, the new scores stay on the page and no index is written:
-- a quarter of the time, and tables that do not grow with each run.
ALTER TABLE dw.fact_facturation SET (fillfactor = 45);
