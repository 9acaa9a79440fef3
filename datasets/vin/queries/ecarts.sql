-- What does not reconcile, row by row and with its reason.
SELECT origine, motif, reference, lignes, produit_id, sku, nom, prix, ventes, detail
FROM vin.ecarts
WHERE (origine = current_setting('fonderie.origine') OR current_setting('fonderie.origine') = '')
  AND (motif = current_setting('fonderie.motif') OR current_setting('fonderie.motif') = '')
ORDER BY origine, motif, reference
