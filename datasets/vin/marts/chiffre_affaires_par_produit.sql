-- The revenue of each product that is brought together, with its place among them and the class of its price.
WITH produits AS (
    SELECT r.produit_key, r.produit_id, r.id_web AS sku, r.nom, r.prix, r.ventes,
        (r.prix * r.ventes)::numeric(24, 2) AS chiffre_affaires, p.zscore_prix,
        CASE WHEN p.zscore_prix > 2 THEN 'premium' ELSE 'ordinaire' END AS categorie
    FROM vin_prep.rapprochement r JOIN vin_dw.dim_produit p USING (produit_key)
    WHERE r.motif IS NULL
)
SELECT *,
    rank() OVER (ORDER BY chiffre_affaires DESC) AS rang,
    sum(chiffre_affaires) OVER (ORDER BY chiffre_affaires DESC, produit_id)::numeric(24, 2) AS chiffre_affaires_cumule
FROM produits
