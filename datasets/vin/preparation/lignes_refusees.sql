-- What the newest version of each file was refused, by rule; the lines themselves are in the run's rejets.csv.
WITH versions AS (
    SELECT DISTINCT ON (key, record) key, loaded_run_id AS run_id
    FROM audit.object_version
    WHERE dataset = 'vin' AND loaded_run_id IS NOT NULL AND withdrawn_run_id IS NULL
    ORDER BY key, record, order_instant DESC, order_modified DESC, order_position DESC
)
SELECT substr(v.key, length('vin/') + 1) AS fichier, r.rule AS regle, sum(r.rows)::bigint AS lignes
FROM versions v JOIN audit.rule_result r USING (run_id)
WHERE r.severity <> 'warn' AND r.rows > 0
GROUP BY v.key, r.rule
