SELECT c.date_complete
FROM changed_dim_date c JOIN supermarche_dw.dim_date d USING (date_complete)
WHERE d.annee <> date_part('year', d.date_complete) OR d.mois <> date_part('month', d.date_complete)
   OR d.jour <> date_part('day', d.date_complete) OR d.jour_semaine <> date_part('dow', d.date_complete) + 1
   OR d.trimestre <> 'Q' || date_part('quarter', d.date_complete)
