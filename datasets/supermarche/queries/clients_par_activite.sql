-- Combien de clients inscrits ont acheté, et combien jamais ?
SELECT count(*) AS clients, count(*) FILTER (WHERE a_achete) AS avec_vente, count(*) FILTER (WHERE NOT a_achete) AS sans_vente
FROM (SELECT EXISTS (SELECT FROM supermarche_dw.fact_vente v WHERE v.client_key = c.client_key) AS a_achete
      FROM supermarche_dw.dim_client c WHERE c.member_status = 'current') AS c
