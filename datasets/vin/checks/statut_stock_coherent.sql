SELECT p.produit_id
FROM changed_dim_produit c JOIN vin_dw.dim_produit p USING (produit_key)
WHERE p.statut_stock = 'instock' AND p.quantite_stock <= 0 OR p.statut_stock = 'outofstock' AND p.quantite_stock > 0
