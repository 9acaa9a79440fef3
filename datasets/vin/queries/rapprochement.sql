-- The steps from the ERP's products to those that are brought together: what each step keeps.
SELECT count(*) AS produits_erp, count(liaison_key) AS lies, count(*) FILTER (WHERE liaison_key IS NOT NULL AND id_web IS NULL) AS lies_sans_id_web,
    count(article_key) AS avec_article_web, count(*) FILTER (WHERE motif IS NULL) AS rapproches, count(*) FILTER (WHERE motif IS NULL AND vente_en_ligne) AS rapproches_en_ligne
FROM vin_prep.rapprochement
