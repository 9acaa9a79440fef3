-- Combien de ventes de chaque jour sont venues après sa clôture, et pour quel montant ?
SELECT date_vente, count(*) FILTER (WHERE tardive) AS ventes_tardives, sum(prix) FILTER (WHERE tardive) AS montant_tardif,
       count(*) FILTER (WHERE NOT tardive) AS ventes_a_temps, sum(prix) FILTER (WHERE NOT tardive) AS montant_a_temps
FROM (SELECT date_vente, prix, vue_le - date_vente > current_setting('fonderie.closing_days')::integer AS tardive
      FROM supermarche.ventes_valorisees) AS v
GROUP BY date_vente
HAVING bool_or(tardive)
ORDER BY date_vente
