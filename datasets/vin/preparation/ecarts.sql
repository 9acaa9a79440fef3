-- What does not reconcile, row by row and with its reason: each row of a table is in chiffre_affaires_par_produit or here.
-- The reasons about the stock are of rows that may be in both.
SELECT 'erp' AS origine, produit_id AS reference, motif, 1::bigint AS lignes, produit_id, id_web AS sku, nom, prix, ventes,
    CASE
        WHEN motif = 'sans lien' AND liaison_key IS NULL THEN 'aucune ligne dans la table de liaison'
        WHEN motif = 'sans lien' THEN 'id_web vide dans la table de liaison'
        WHEN motif = 'sans article web' THEN 'id_web absent des produits du site'
    END AS detail
FROM vin_prep.rapprochement
WHERE motif IS NOT NULL
UNION ALL
SELECT 'erp', produit_id, m.motif, 1, produit_id, NULL, NULL, prix, NULL,
    format('%s avec %s en stock', coalesce(statut_stock, 'sans statut'), coalesce(quantite_stock::text, 'rien'))
FROM vin_dw.dim_produit
CROSS JOIN LATERAL (VALUES
    ('stock négatif', quantite_stock < 0),
    ('stock manquant', quantite_stock IS NULL OR statut_stock IS NULL),
    ('statut de stock inconnu', statut_stock NOT IN ('instock', 'outofstock', 'onbackorder')),
    ('statut de stock contradictoire', statut_stock = 'instock' AND quantite_stock <= 0 OR statut_stock = 'outofstock' AND quantite_stock > 0)
) m (motif, vrai)
WHERE member_status = 'current' AND m.vrai
UNION ALL
SELECT 'liaison', p.produit_id, coalesce(r.motif, 'sans produit erp'), 1, p.produit_id, l.id_web, r.nom, r.prix, r.ventes,
    CASE WHEN r.produit_key IS NULL THEN 'product_id absent de l''erp' END
FROM vin_dw.fact_liaison l
JOIN vin_dw.dim_produit p USING (produit_key)
LEFT JOIN vin_prep.rapprochement r USING (produit_key)
WHERE r.motif IS NOT NULL OR r.produit_key IS NULL
UNION ALL
SELECT 'web', a.guid,
    CASE
        WHEN a.type_article <> 'product' THEN CASE WHEN w.sku IS NULL THEN 'pas un produit' ELSE 'ligne répétée' END
        WHEN a.sku IS NULL THEN 'sans sku'
        WHEN w.articles > 1 THEN 'sku en double'
        ELSE coalesce(r.motif, CASE WHEN l.liens > 0 THEN 'sans produit erp' ELSE 'sans lien' END)
    END,
    1, r.produit_id, a.sku, a.nom, r.prix, a.ventes,
    CASE WHEN a.type_article <> 'product' THEN format('type %s', a.type_article) END
FROM vin_dw.fact_article a
LEFT JOIN vin_prep.articles_web w ON w.sku = a.sku
LEFT JOIN (SELECT id_web, count(*) AS liens FROM vin_dw.fact_liaison GROUP BY id_web) l ON l.id_web = a.sku
LEFT JOIN (
    SELECT DISTINCT ON (article_key) article_key, produit_id, prix, motif FROM vin_prep.rapprochement ORDER BY article_key, produit_id
) r ON r.article_key = a.article_key
WHERE a.type_article <> 'product' OR a.sku IS NULL OR r.article_key IS NULL OR r.motif IS NOT NULL
UNION ALL
SELECT 'fichier', fichier, motif, lignes, NULL, NULL, NULL, NULL, NULL, 'les lignes sont dans rejets.csv (' || regles || ')'
FROM vin_prep.lignes_refusees
