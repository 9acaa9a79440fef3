-- The products that the ERP says are on sale online, and that have no revenue because they could not be brought together.
SELECT produit_id, prix, id_web, motif
FROM vin_prep.rapprochement
WHERE vente_en_ligne AND motif IS NOT NULL
ORDER BY produit_id
