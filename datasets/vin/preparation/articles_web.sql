-- The shop's products by sku; several products of one sku cannot be told apart.
SELECT sku, count(*) AS articles, min(article_key) AS article_key
FROM vin_dw.fact_article
WHERE type_article = 'product' AND sku IS NOT NULL
GROUP BY sku
