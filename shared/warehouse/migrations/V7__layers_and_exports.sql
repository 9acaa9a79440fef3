-- Marts in layers, and exports. A preparation view is in audit.mart under its schema and name (`shop_prep.orders`), a mart under its name. The rows of a
-- plain view are not counted.
ALTER TABLE audit.mart ALTER COLUMN rows DROP NOT NULL;
ALTER TABLE audit.dataset_schema
  DROP CONSTRAINT dataset_schema_use_check,
  ADD CONSTRAINT dataset_schema_use_check CHECK (use IN ('staging', 'warehouse', 'preparation', 'marts'));

-- A row per export of each run that published: the file that was written, or why it was not.
CREATE TABLE audit.export (
  run_id      text NOT NULL,
  dataset     text NOT NULL,
  export      text NOT NULL,
  bucket      text NOT NULL,
  key         text NOT NULL,
  rows        bigint NOT NULL,
  bytes       bigint NOT NULL,
  failure     text,
  exported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, export)
);
CREATE INDEX export_dataset ON audit.export (dataset, export, exported_at);
