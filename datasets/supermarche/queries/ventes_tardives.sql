-- Quelles ventes un fichier a-t-il montrées pour la première fois après la clôture de leur jour ?
SELECT date_vente, vue_le, vente_id, ticket_id, produit_id, prix
FROM supermarche.ventes_valorisees
WHERE vue_le - date_vente > current_setting('fonderie.closing_days')::integer
ORDER BY date_vente, length(vente_id), vente_id
