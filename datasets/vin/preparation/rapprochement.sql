-- Each product of the ERP, with its web product; `motif` is why it has none, NULL if it is brought together.
SELECT p.produit_key, p.produit_id, p.vente_en_ligne, p.prix, l.liaison_key, l.id_web, a.article_key, a.nom, a.ventes,
    CASE
        WHEN l.id_web IS NULL THEN 'sans lien'
        WHEN w.sku IS NULL THEN 'sans article web'
        WHEN w.articles > 1 THEN 'sku en double'
        WHEN count(*) OVER (PARTITION BY l.id_web) > 1 THEN 'lien en double'
        WHEN p.prix IS NULL THEN 'prix manquant'
        WHEN a.ventes IS NULL THEN 'ventes manquantes'
    END AS motif
FROM vin_dw.dim_produit p
LEFT JOIN vin_dw.fact_liaison l USING (produit_key)
LEFT JOIN vin_prep.articles_web w ON w.sku = l.id_web
LEFT JOIN vin_dw.fact_article a ON a.article_key = w.article_key AND w.articles = 1
WHERE p.member_status = 'current'
