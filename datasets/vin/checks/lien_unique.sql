SELECT l.id_web
FROM vin_dw.fact_liaison l JOIN vin_dw.dim_produit p USING (produit_key)
WHERE p.member_status = 'current' GROUP BY l.id_web HAVING count(l.id_web) > 1
