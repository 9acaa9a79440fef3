-- La liste de relance : une ligne par patient qui doit quelque chose, à la date de traitement du dernier run publié.
--
-- Credit notes (negative amounts) count: a patient is listed if the net is above zero, and ages are net too. Only invoices
-- above zero are counted, and only they are abnormal or the oldest.
-- URGENT: an unpaid invoice with a score under -0.1; PRIORITAIRE: over 5,000 € in all; STANDARD: the others. `motif` says
-- why, of the worst invoice if one is abnormal. Ages are counted from the date of the invoice.
-- Everything is grouped by the patient, so that the rows of some patients can be computed without the others'.
WITH impaye AS (
  SELECT f.patient_key, f.facture_id, f.montant_impaye, f.date_facture, f.anomaly_score, f.anomaly_raison, e.etablissement_id,
         a.as_of - f.date_facture AS age, f.anomaly_score < -0.1 AND f.montant_impaye > 0 AS anormale
  FROM dw.fact_facturation f JOIN audit.as_of a ON a.dataset = 'facturation' LEFT JOIN dw.dim_etablissement e USING (etablissement_key)
  WHERE f.montant_impaye > 0 OR f.montant_impaye < 0
), total AS (
  SELECT patient_key, sum(montant_impaye) AS total_impaye, count(*) FILTER (WHERE montant_impaye > 0) AS nb_factures_impayees,
         coalesce(sum(montant_impaye) FILTER (WHERE age <= 30), 0) AS impaye_0_30,
         coalesce(sum(montant_impaye) FILTER (WHERE age BETWEEN 31 AND 60), 0) AS impaye_31_60,
         coalesce(sum(montant_impaye) FILTER (WHERE age BETWEEN 61 AND 90), 0) AS impaye_61_90,
         coalesce(sum(montant_impaye) FILTER (WHERE age > 90), 0) AS impaye_90_plus,
         min(date_facture) FILTER (WHERE montant_impaye > 0) AS plus_ancienne,
         max(age) FILTER (WHERE montant_impaye > 0) AS age_max,
         -- natural keys settle ties, so that the same invoices give the same sentence whatever their order of arrival
         (array_agg('Facture ' || facture_id || ' anormale (' || anomaly_raison || ')'
            ORDER BY anomaly_score, montant_impaye DESC, etablissement_id, facture_id) FILTER (WHERE anormale))[1] AS pire,
         coalesce(bool_or(anormale), false) AS urgent
  FROM impaye GROUP BY patient_key HAVING sum(montant_impaye) > 0
)
SELECT t.patient_key, p.patient_id, p.nom, p.prenom, t.total_impaye, t.nb_factures_impayees,
       CASE WHEN t.urgent THEN 'URGENT'
            WHEN t.total_impaye > 5000 THEN 'PRIORITAIRE'
            ELSE 'STANDARD' END AS priorite,
       CASE WHEN t.urgent THEN t.pire
            WHEN t.total_impaye > 5000
            THEN 'Total impayé de ' || translate(to_char(t.total_impaye, 'FM999,999,999,990.00'), ',.', ' ,') || ' €, supérieur à 5 000 €'
            ELSE 'Plus ancienne facture impayée du ' || to_char(t.plus_ancienne, 'DD/MM/YYYY') || ' (' || t.age_max || ' jours)'
       END AS motif,
       t.impaye_0_30, t.impaye_31_60, t.impaye_61_90, t.impaye_90_plus, t.plus_ancienne
FROM total t
JOIN dw.dim_patient p USING (patient_key)
