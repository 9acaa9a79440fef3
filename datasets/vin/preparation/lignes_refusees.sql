-- What the newest version of each file was refused, by reason: each line once; the lines themselves are in the run's rejets.csv.
WITH versions AS (
    SELECT DISTINCT ON (key, record) key, loaded_run_id AS run_id
    FROM audit.object_version
    WHERE dataset = 'vin' AND loaded_run_id IS NOT NULL AND withdrawn_run_id IS NULL
    ORDER BY key, record, order_instant DESC, order_modified DESC, order_position DESC
), refusees AS (
    SELECT v.key, u.rows_rejected AS lignes,
        least(u.rows_rejected, coalesce(sum(r.rows) FILTER (WHERE r.rule IN ('produit_repete', 'liaison_repetee', 'article_repete')), 0)) AS repetees,
        string_agg(format('%s : %s', r.rule, r.rows), ', ' ORDER BY r.rule) AS regles
    FROM versions v JOIN audit.run u USING (run_id) JOIN audit.rule_result r USING (run_id)
    WHERE r.severity <> 'warn' AND r.rows > 0
    GROUP BY v.key, v.run_id, u.rows_rejected
)
SELECT substr(key, length('vin/') + 1) AS fichier, m.motif, m.lignes::bigint AS lignes, regles
FROM refusees CROSS JOIN LATERAL (VALUES ('ligne répétée', repetees), ('ligne refusée', lignes - repetees)) m (motif, lignes)
WHERE m.lignes > 0
