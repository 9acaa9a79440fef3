-- Quel chiffre d'affaires chaque publication a-t-elle montré, et de combien a-t-il bougé ?
WITH mouvements AS (
  SELECT publication_from AS publication, 1 AS ventes, prix FROM supermarche.ventes_valorisees_publications
  UNION ALL
  SELECT publication_until, -1, -prix FROM supermarche.ventes_valorisees_publications WHERE publication_until IS NOT NULL
), par_publication AS (
  SELECT publication, sum(ventes) AS ventes, sum(prix) AS prix FROM mouvements GROUP BY publication
)
SELECT p.publication, p.as_of AS date_de_traitement,
       coalesce(sum(m.ventes) OVER publiees, 0) AS ventes, coalesce(sum(m.prix) OVER publiees, 0.00) AS chiffre_affaires,
       coalesce(m.prix, 0.00) AS difference
FROM audit.publication p
LEFT JOIN par_publication m USING (publication)
WHERE p.dataset = 'supermarche'
WINDOW publiees AS (ORDER BY p.publication)
ORDER BY p.publication
