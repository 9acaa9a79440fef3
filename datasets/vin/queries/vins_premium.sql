-- The wines whose price has a z-score above the threshold, the dearest first.
SELECT produit_id, sku, nom, prix, round(zscore_prix::numeric, 4) AS zscore_prix, ventes, chiffre_affaires
FROM vin.chiffre_affaires_par_produit
WHERE zscore_prix > current_setting('fonderie.seuil')::double precision
ORDER BY prix DESC, produit_id
