-- A row per sale, with the product as it was on the day of the sale, and the day on which a file first showed the sale.
SELECT v.vente_id, v.date_vente, v.ticket_id, d.produit_id, p.categorie, p.rayon, p.prix, p.extrapolated AS prix_extrapole,
       c.client_id, e.employe_id,
       (coalesce(h.premiere, v.valide_du) AT TIME ZONE 'Europe/Paris')::date AS vue_le
FROM supermarche_dw.fact_vente v
JOIN supermarche_dw.dim_produit d USING (produit_key)
LEFT JOIN supermarche_dw.fact_vente_with_dim_produit p USING (vente_key)
LEFT JOIN supermarche_dw.dim_client c ON c.client_key = v.client_key
LEFT JOIN supermarche_dw.dim_employe e ON e.employe_key = v.employe_key
LEFT JOIN (SELECT vente_key, min(valide_du) AS premiere FROM supermarche_dw.hist_vente GROUP BY vente_key) h ON h.vente_key = v.vente_key
