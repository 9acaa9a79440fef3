-- The wines that are not premium, the dearest first.
SELECT produit_id, sku, nom, prix, round(zscore_prix::numeric, 4) AS zscore_prix, ventes, chiffre_affaires
FROM vin.chiffre_affaires_par_produit
WHERE categorie = 'ordinaire'
ORDER BY prix DESC, produit_id
