-- What a scenario holds the warehouse to: sales with the price of their day, earlier states of sales, prices with the file that shows them.
SELECT 'vente' AS etat, v.vente_id AS cle, v.date_vente AS jour, v.ticket_id, v.client_id, v.employe_id, v.produit_id, v.prix, v.prix_extrapole, v.vue_le,
       o.key AS source_file, f.source_line
FROM supermarche.ventes_valorisees v
JOIN supermarche_dw.fact_vente f USING (vente_id)
JOIN audit.object_version o ON o.object_version_key = f.object_version_key
UNION ALL
SELECT 'vente avant', h.vente_id, h.date_vente, h.ticket_id, c.client_id, e.employe_id, p.produit_id, NULL, NULL, NULL, o.key, h.source_line
FROM supermarche_dw.hist_vente h
JOIN supermarche_dw.dim_produit p USING (produit_key)
LEFT JOIN supermarche_dw.dim_client c USING (client_key)
LEFT JOIN supermarche_dw.dim_employe e USING (employe_key)
JOIN audit.object_version o ON o.object_version_key = h.object_version_key
UNION ALL
SELECT 'produit ' || p.member_status, p.produit_id, NULL, NULL, NULL, NULL, p.rayon, p.prix, NULL, NULL, o.key, p.source_line
FROM supermarche_dw.dim_produit p LEFT JOIN audit.object_version o ON o.object_version_key = p.object_version_key
UNION ALL
SELECT 'produit avant', h.produit_id, NULL, NULL, NULL, NULL, h.rayon, h.prix, NULL, NULL, o.key, h.source_line
FROM supermarche_dw.hist_produit h JOIN audit.object_version o ON o.object_version_key = h.object_version_key
UNION ALL
SELECT 'client ' || c.member_status, c.client_id, c.date_inscription, NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.key, c.source_line
FROM supermarche_dw.dim_client c LEFT JOIN audit.object_version o ON o.object_version_key = c.object_version_key
UNION ALL
SELECT 'employe ' || e.member_status, e.employe_id, e.date_debut, NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.key, e.source_line
FROM supermarche_dw.dim_employe e LEFT JOIN audit.object_version o ON o.object_version_key = e.object_version_key
UNION ALL
SELECT 'jour ' || d.member_status, d.trimestre || ' ' || d.nom_mois || ' ' || d.jour_semaine, d.date_complete, NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.key, d.source_line
FROM supermarche_dw.dim_date d LEFT JOIN audit.object_version o ON o.object_version_key = d.object_version_key
ORDER BY 1, 2, 3, 11, 12
