-- What a scenario holds the warehouse to: natural keys and values, no surrogates, no times of the run.
SELECT * FROM (
    SELECT 'revenue' AS etat, 'erp' AS origine, produit_id AS reference, sku, nom, prix, ventes, chiffre_affaires, round(zscore_prix::numeric, 4) AS zscore_prix, categorie AS motif, 1 AS lignes
    FROM vin.chiffre_affaires_par_produit
    UNION ALL
    SELECT 'ecart', origine, reference, sku, nom, prix, ventes, NULL, NULL, motif, lignes
    FROM vin.ecarts
    UNION ALL
    SELECT 'hist', 'erp', produit_id, NULL, NULL, prix, quantite_stock, NULL, NULL, statut_stock, 1
    FROM vin_dw.hist_produit
    UNION ALL
    SELECT 'hist', 'web', guid, sku, nom, NULL, ventes, NULL, NULL, type_article, 1
    FROM vin_dw.hist_article
) lignes
ORDER BY etat, origine, reference COLLATE "C", motif COLLATE "C", ventes
