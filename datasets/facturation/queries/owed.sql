-- What was owed at the end of a day, by facility: of each invoice the state that the files of that day or earlier showed.
--
-- Parameters, declared in dataset.toml: fonderie.on (the day), fonderie.patient and fonderie.facility (ids; empty for all). Of a facility of which no file of that day or earlier is known, each invoice's first known state is taken instead,
-- without a payment made later: `dont_reconstitue` says how much of the sum comes from such invoices.
--
-- Credit notes (negative amounts) count: a patient owes what is left of all facilities' invoices, and is left out if that is not
-- above zero. A facility's row is its share of it, which may be negative.
WITH question AS (
  SELECT current_setting('fonderie.on')::date AS jour,
         (current_setting('fonderie.on')::date + 1)::timestamp AT TIME ZONE current_setting('fonderie.time_zone') AS fin
), etats AS (
  SELECT facture_key, etablissement_key, patient_key, date_facture, date_paiement, montant_facture, montant_paye, valide_du,
         'infinity'::timestamptz AS valide_au
  FROM dw.fact_facturation
  UNION ALL
  SELECT facture_key, etablissement_key, patient_key, date_facture, date_paiement, montant_facture, montant_paye, valide_du,
         valide_au
  FROM dw.hist_facturation
), connus AS (
  SELECT etablissement_key, min(valide_du) AS depuis FROM etats GROUP BY etablissement_key
), retenus AS (
  SELECT DISTINCT ON (facture_key) etats.*, valide_du >= fin AS reconstitue
  FROM etats JOIN connus USING (etablissement_key), question
  WHERE valide_du < fin OR depuis >= fin
  ORDER BY facture_key, valide_du < fin DESC,
           CASE WHEN valide_du < fin THEN valide_du END DESC, CASE WHEN valide_du < fin THEN valide_au END DESC,
           valide_du, valide_au
), dus AS (
  SELECT etablissement_key, patient_key, reconstitue,
         montant_facture - CASE WHEN date_paiement > jour THEN 0 ELSE montant_paye END AS du
  FROM retenus, question
  WHERE date_facture <= jour
), nets AS (
  -- A window and no join with itself, of which PostgreSQL would expect too few rows, and take hours.
  SELECT *, sum(du) OVER (PARTITION BY patient_key) AS net FROM dus
)
SELECT coalesce(e.etablissement_id, 'TOTAL') AS etablissement_id,
       count(*) FILTER (WHERE d.du > 0) AS nb_factures_impayees,
       count(DISTINCT d.patient_key) FILTER (WHERE d.du > 0) AS nb_patients,
       coalesce(sum(d.du), 0.00) AS montant_du,
       coalesce(sum(d.du) FILTER (WHERE d.reconstitue), 0.00) AS dont_reconstitue
FROM nets d
JOIN dw.dim_etablissement e USING (etablissement_key)
JOIN dw.dim_patient p USING (patient_key)
WHERE d.net > 0 AND d.du <> 0
  AND current_setting('fonderie.patient') IN ('', p.patient_id)
  AND current_setting('fonderie.facility') IN ('', e.etablissement_id)
GROUP BY ROLLUP (e.etablissement_id)
-- An id that nobody has is a mistake: no row, not a debt of zero. `no_rows` in dataset.toml has the sentence for it.
HAVING (current_setting('fonderie.patient') = '' OR EXISTS (SELECT FROM dw.dim_patient WHERE patient_id = current_setting('fonderie.patient')))
   AND (current_setting('fonderie.facility') = ''
        OR EXISTS (SELECT FROM dw.dim_etablissement WHERE etablissement_id = current_setting('fonderie.facility')))
ORDER BY grouping(e.etablissement_id), e.etablissement_id;
