-- Quelles ventes une publication a-t-elle montrées à un autre prix que celle d'avant, la vente étant la même ?
SELECT publication_from AS publication, vente_id, date_vente, produit_id, prix_avant, prix AS prix_apres,
       coalesce(prix, 0.00) - prix_avant AS difference
FROM (SELECT p.*, lag(prix) OVER versions AS prix_avant, lag(publication_until) OVER versions AS jusqu_a,
             lag(produit_id) OVER versions AS produit_avant, lag(date_vente) OVER versions AS date_avant
      FROM supermarche.ventes_valorisees_publications p
      WINDOW versions AS (PARTITION BY vente_id ORDER BY publication_from)) AS p
WHERE jusqu_a = publication_from AND (produit_avant, date_avant) = (produit_id, date_vente)
  AND prix_avant IS NOT NULL AND prix IS DISTINCT FROM prix_avant
ORDER BY publication, date_vente, length(vente_id), vente_id
