-- Combien de ventes de chaque jour ont un prix en vigueur ce jour-là, un prix extrapolé (connu plus tard seulement), ou aucun ?
SELECT date_vente, count(*) AS ventes, count(*) FILTER (WHERE prix IS NOT NULL AND NOT prix_extrapole) AS prix_du_jour,
       count(*) FILTER (WHERE prix IS NOT NULL AND prix_extrapole) AS prix_extrapoles, count(*) FILTER (WHERE prix IS NULL) AS sans_prix,
       sum(prix) AS chiffre_affaires, coalesce(sum(prix) FILTER (WHERE prix_extrapole), 0.00) AS dont_extrapole
FROM supermarche.ventes_valorisees
GROUP BY date_vente
ORDER BY date_vente DESC
