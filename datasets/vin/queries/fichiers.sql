-- Where the rows of each file are, of its newest version: loaded, refused, or left out because they hold nothing.
SELECT DISTINCT ON (v.key) substr(v.key, length('vin/') + 1) AS fichier, r.rows_read AS lignes_lues, r.rows_accepted AS lignes_chargees, r.rows_rejected AS lignes_refusees,
    coalesce((r.units_other ->> 'filtered_rows')::bigint, 0) AS lignes_sans_contenu
FROM audit.object_version v JOIN audit.run r ON r.run_id = v.loaded_run_id
WHERE v.dataset = 'vin' AND v.withdrawn_run_id IS NULL
ORDER BY v.key, v.order_instant DESC, v.order_modified DESC, v.order_position DESC
