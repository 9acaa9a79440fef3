-- The revenue of all products that are brought together, the units and the products sold.
SELECT count(*) AS produits, count(*) FILTER (WHERE ventes > 0) AS produits_vendus, coalesce(sum(ventes), 0)::bigint AS ventes,
    coalesce(sum(chiffre_affaires), 0) AS chiffre_affaires
FROM vin.chiffre_affaires_par_produit
