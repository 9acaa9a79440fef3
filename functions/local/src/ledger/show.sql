-- A run (`fonderie.run`: its id, or a part of it) as one JSON document: `found` are the ids that fit, `run` is there if one does.
WITH found AS (
  SELECT run_id, started_at FROM audit.run
  WHERE run_id = current_setting('fonderie.run') OR strpos(run_id, current_setting('fonderie.run')) > 0
    AND NOT EXISTS (SELECT FROM audit.run WHERE run_id = current_setting('fonderie.run'))
  ORDER BY started_at DESC, run_id DESC LIMIT 11
), run AS (
  SELECT r.* FROM audit.run r JOIN found USING (run_id) WHERE (SELECT count(*) FROM found) = 1
), version AS (
  SELECT v.* FROM audit.object_version v JOIN run USING (object_version_key)
), sibling AS (
  SELECT o.rank, json_build_object('version_id', v.version_id, 'order', v.order_instant, 'size', v.size,
      'sha256', v.content_sha256, 'loaded_by', v.loaded_run_id, 'withdrawn_by', v.withdrawn_run_id,
      'runs', (SELECT coalesce(json_agg(json_build_object('run_id', r.run_id, 'status', r.status, 'started_at', r.started_at)
                 ORDER BY r.started_at, r.run_id), '[]') FROM audit.run r WHERE r.object_version_key = v.object_version_key)) AS shown
  FROM audit.object_version v JOIN version mine USING (bucket, key) JOIN audit.version_order o
    ON o.object_version_key = v.object_version_key
)
SELECT json_build_object('found', (SELECT coalesce(json_agg(run_id ORDER BY started_at DESC, run_id DESC), '[]') FROM found), 'run', (
  SELECT json_build_object(
    'run_id', run_id, 'status', status, 'dataset', dataset, 'source', source, 'as_of', as_of, 'verdict', verdict,
    'already_loaded', already_loaded, 'halted_because', halted_because, 'started_at', started_at, 'finished_at', finished_at,
    'bundle_sha256', bundle_sha256,
    'file', (SELECT json_build_object('key', key, 'version_id', version_id, 'size', size, 'sha256', content_sha256,
        'same_bytes_as', same_bytes_as) FROM version),
    'rows', json_build_object('read', rows_read, 'accepted', rows_accepted, 'rejected', rows_rejected, 'inserted', rows_inserted,
        'updated', rows_updated, 'unchanged', rows_unchanged, 'superseded', rows_superseded, 'removed', rows_removed),
    'stage_millis', json_build_object('transform', transform_millis, 'validate', validate_millis, 'load', load_millis),
    'amounts', (SELECT coalesce(json_agg(json_build_object('field', column_name, 'stage', stage, 'sum', sum::text,
        'unreadable', unreadable) ORDER BY column_name, stage), '[]') FROM audit.run_amount a WHERE a.run_id = run.run_id),
    'rules', (SELECT coalesce(json_agg(json_build_object('rule', rule, 'severity', severity, 'rows', rows, 'budget', budget)
        ORDER BY rule COLLATE "C", severity), '[]') FROM audit.rule_result e WHERE e.run_id = run.run_id AND e.rows > 0),
    'notices', to_json(notices), 'halts', to_json(halts),
    'failure', CASE WHEN status = 'failed' THEN json_build_object('stage', failed_stage, 'code', failure_code,
        'sentence', failure_cause) END,
    'models', (SELECT coalesce(json_agg(json_build_object('model', model, 'status', m.status, 'rows', rows,
        'in_force', in_force) ORDER BY model), '[]') FROM audit.model m WHERE m.run_id = run.run_id),
    'checks', (SELECT coalesce(json_agg(json_build_object('check', check_id, 'severity', severity, 'status', c.status,
        'violations', violations, 'message', message) ORDER BY check_id), '[]') FROM audit.check_result c WHERE c.run_id = run.run_id AND c.status <> 'passed'),
    'versions', (SELECT coalesce(json_agg(shown ORDER BY rank DESC), '[]') FROM sibling)
  ) FROM run))
