-- What the ledger has of a dataset (`fonderie.dataset`), as one JSON document. Failures of which no dataset is known count too.
WITH dataset_version AS (
  SELECT v.*, o.rank FROM audit.object_version v JOIN audit.version_order o USING (object_version_key)
  WHERE v.dataset = current_setting('fonderie.dataset')
), dataset_run AS (
  SELECT * FROM audit.run WHERE coalesce(dataset, current_setting('fonderie.dataset')) = current_setting('fonderie.dataset')
), loaded AS (
  -- the run that put a version's rows where they are
  SELECT r.* FROM dataset_version v JOIN audit.run r ON r.run_id = v.loaded_run_id
), last_look AS (
  -- the last run of each file's newest version that came to a verdict and is not withdrawn
  SELECT DISTINCT ON (v.bucket, v.key) r.status, r.rows_rejected
  FROM dataset_version v JOIN dataset_run r USING (object_version_key)
  WHERE r.status NOT IN ('failed', 'withdrawn', 'restored') AND v.withdrawn_run_id IS NULL
  ORDER BY v.bucket, v.key, v.rank DESC, r.started_at DESC, r.run_id
), amount AS (
  SELECT a.column_name,
         sum(a.sum) FILTER (WHERE a.stage = 'read') AS read,
         sum(a.sum) FILTER (WHERE a.stage = 'accepted') AS accepted,
         sum(a.sum) FILTER (WHERE a.stage = 'rejected') AS rejected
  FROM loaded JOIN audit.run_amount a USING (run_id) GROUP BY a.column_name
), in_force AS (
  -- abnormal are those among all rows, when all were scored last
  SELECT f.model, f.run_id, f.trained_as_of AS as_of, t.trained_at, f.rows, f.changed_rows,
         (SELECT coalesce(sum((level ->> 'rows')::bigint), 0) FROM jsonb_array_elements(s.levels) AS level) AS abnormal, t.parameters, t.sha256
  FROM audit.model_in_force f JOIN audit.model t USING (run_id, model) JOIN audit.model s ON s.run_id = f.scored_run_id AND s.model = f.model
  WHERE f.dataset = current_setting('fonderie.dataset')
), arrival AS (
  SELECT source, ({arrived} AT TIME ZONE current_setting('fonderie.time_zone'))::date AS newest FROM dataset_version
  WHERE withdrawn_run_id IS NULL GROUP BY source
)
SELECT json_build_object(
  'files', (SELECT count(DISTINCT (bucket, key)) FROM dataset_version),
  'versions', (SELECT count(*) FROM dataset_version),
  'runs', (SELECT json_build_object(
      'loaded', count(*) FILTER (WHERE status = 'loaded'), 'unchanged', count(*) FILTER (WHERE status = 'unchanged'),
      'halted', count(*) FILTER (WHERE status = 'halted'), 'failed', count(*) FILTER (WHERE status = 'failed'),
      'withdrawn', count(*) FILTER (WHERE status = 'withdrawn'), 'restored', count(*) FILTER (WHERE status = 'restored')) FROM dataset_run),
  'last_run', (SELECT max(started_at) FROM dataset_run),
  'rows', (SELECT json_build_object('read', coalesce(sum(rows_read), 0), 'accepted', coalesce(sum(rows_accepted), 0),
      'rejected', coalesce(sum(rows_rejected), 0)) FROM loaded),
  'amounts', (SELECT coalesce(json_agg(json_build_object('field', column_name, 'read', coalesce(read, 0)::text,
      'accepted', coalesce(accepted, 0)::text, 'rejected', coalesce(rejected, 0)::text) ORDER BY column_name), '[]') FROM amount),
  'open_rejects', (SELECT json_build_object('files', count(*) FILTER (WHERE rows_rejected > 0),
      'rows', coalesce(sum(rows_rejected), 0), 'halted_files', count(*) FILTER (WHERE status = 'halted')) FROM last_look),
  'withdrawn', (SELECT coalesce(json_agg(json_build_object('key', v.key, 'version_id', v.version_id, 'run_id', v.withdrawn_run_id,
      'withdrawn_at', w.finished_at) ORDER BY w.finished_at, v.key), '[]')
      FROM dataset_version v LEFT JOIN audit.run w ON w.run_id = v.withdrawn_run_id WHERE v.withdrawn_run_id IS NOT NULL),
  'models', (SELECT coalesce(json_agg(in_force ORDER BY model), '[]') FROM in_force),
  'arrivals', (SELECT coalesce(json_object_agg(source, newest), '{}') FROM arrival))
