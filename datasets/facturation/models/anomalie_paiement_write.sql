-- Only to invoices that are as they were when their features were read, and only where something changes.
UPDATE dw.fact_facturation f
SET anomaly_score = s.score, anomaly_raison = s.reason
FROM scores s
WHERE f.facture_key = s.key AND dw.etat_facture(f) = s.state
  AND (f.anomaly_score, f.anomaly_raison) IS DISTINCT FROM (s.score, s.reason)
