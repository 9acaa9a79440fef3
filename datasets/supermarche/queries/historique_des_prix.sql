-- Quels prix un produit a-t-il eus, et de quand à quand ?
SELECT produit_id, libelle, prix, (valide_du AT TIME ZONE current_setting('fonderie.time_zone'))::date AS du,
       (valide_au AT TIME ZONE current_setting('fonderie.time_zone'))::date AS jusqu_au
FROM (SELECT produit_id, libelle, prix, valide_du, valide_au FROM supermarche_dw.hist_produit WHERE valide_du < valide_au
      UNION ALL
      SELECT produit_id, libelle, prix, valide_du, NULL FROM supermarche_dw.dim_produit WHERE member_status = 'current') AS etats
WHERE produit_id = current_setting('fonderie.produit')
ORDER BY valide_du
