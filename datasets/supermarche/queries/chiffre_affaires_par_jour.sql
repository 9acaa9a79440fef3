-- Chaque jour : combien de ventes, de tickets, de clients, d'employés, de produits, et quel chiffre d'affaires ?
SELECT date_vente, count(*) AS ventes, count(DISTINCT ticket_id) AS tickets, count(DISTINCT client_id) AS clients,
       count(DISTINCT employe_id) AS employes, count(DISTINCT produit_id) AS produits, sum(prix) AS chiffre_affaires
FROM supermarche.ventes_valorisees
GROUP BY date_vente
ORDER BY date_vente DESC
