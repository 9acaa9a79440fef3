-- The newest runs (`fonderie.limit` of them), newest first.
SELECT to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS started_utc, r.status, v.key AS file, r.rows_read,
       r.rows_accepted, r.rows_rejected, r.rows_inserted, r.rows_updated, r.failure_code, r.run_id
FROM audit.run r LEFT JOIN audit.object_version v USING (object_version_key)
ORDER BY r.started_at DESC, r.run_id DESC
LIMIT nullif(current_setting('fonderie.limit')::bigint, 0)
