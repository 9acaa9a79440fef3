-- Quels tickets nomment plusieurs clients ?
SELECT date_vente, ticket_id, count(DISTINCT client_id) AS clients, count(*) AS ventes, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
GROUP BY date_vente, ticket_id
HAVING count(DISTINCT client_id) > 1
ORDER BY date_vente, clients DESC, length(ticket_id), ticket_id
