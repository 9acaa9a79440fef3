-- Combien de ventes nomment un produit, un client, un employé ou un jour qu'aucun fichier n'a montré ?
SELECT count(*) FILTER (WHERE p.member_status = 'open') AS produits, count(*) FILTER (WHERE c.member_status = 'open') AS clients,
       count(*) FILTER (WHERE e.member_status = 'open') AS employes, count(*) FILTER (WHERE d.member_status = 'open') AS jours
FROM supermarche_dw.fact_vente v
JOIN supermarche_dw.dim_produit p USING (produit_key)
JOIN supermarche_dw.dim_date d USING (date_key)
LEFT JOIN supermarche_dw.dim_client c USING (client_key)
LEFT JOIN supermarche_dw.dim_employe e USING (employe_key)
