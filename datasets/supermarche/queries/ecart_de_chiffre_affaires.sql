-- Qu'est-ce qui a fait bouger le chiffre d'affaires entre deux publications, vente par vente ?
--
-- Motifs : `vente tardive` (absente avant, d'un jour déjà publié), `vente nouvelle` (d'un jour plus récent), `retrait` (plus là),
-- `correction` (la vente elle-même a changé), `prix` (la vente est la même, son prix a changé). La somme des différences est celle
-- des chiffres d'affaires des deux publications.
WITH demande AS (
  SELECT coalesce(nullif(current_setting('fonderie.a'), '')::bigint, max(publication)) AS a
  FROM audit.publication WHERE dataset = 'supermarche'
), bornes AS (
  SELECT coalesce(nullif(current_setting('fonderie.de'), '')::bigint, a - 1) AS de, a FROM demande
), avant AS (
  SELECT p.* FROM supermarche.ventes_valorisees_publications p, bornes
  WHERE publication_from <= de AND (publication_until IS NULL OR de < publication_until)
), apres AS (
  SELECT p.* FROM supermarche.ventes_valorisees_publications p, bornes
  WHERE publication_from <= a AND (publication_until IS NULL OR a < publication_until)
), lignes AS (
  SELECT vente_id, coalesce(apres.date_vente, avant.date_vente) AS date_vente, coalesce(apres.produit_id, avant.produit_id) AS produit_id,
         avant.prix AS montant_avant, apres.prix AS montant_apres,
         coalesce(apres.prix, 0.00) - coalesce(avant.prix, 0.00) AS difference,
         CASE
           WHEN avant.publication_from IS NULL AND apres.date_vente <= (SELECT max(date_vente) FROM avant) THEN 'vente tardive'
           WHEN avant.publication_from IS NULL THEN 'vente nouvelle'
           WHEN apres.publication_from IS NULL THEN 'retrait'
           WHEN (avant.date_vente, avant.ticket_id, avant.produit_id, avant.client_id, avant.employe_id)
                IS DISTINCT FROM (apres.date_vente, apres.ticket_id, apres.produit_id, apres.client_id, apres.employe_id) THEN 'correction'
           WHEN avant.prix IS DISTINCT FROM apres.prix THEN 'prix'
         END AS motif
  FROM avant FULL JOIN apres USING (vente_id)
)
SELECT vente_id, date_vente, produit_id, montant_avant, montant_apres, difference, motif
FROM lignes
WHERE motif IS NOT NULL
ORDER BY date_vente, motif, length(vente_id), vente_id
