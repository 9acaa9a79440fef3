-- Quels clients inscrits n'ont jamais acheté ?
SELECT c.client_id, c.date_inscription
FROM supermarche_dw.dim_client c
WHERE NOT EXISTS (SELECT FROM supermarche_dw.fact_vente v WHERE v.client_key = c.client_key)
ORDER BY c.date_inscription, c.client_id
