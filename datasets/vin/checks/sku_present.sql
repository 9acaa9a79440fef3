SELECT a.guid FROM changed_fact_article c JOIN vin_dw.fact_article a USING (article_key) WHERE a.type_article = 'product' AND a.sku IS NULL
