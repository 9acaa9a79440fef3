-- Which declarations of a dataset's tables the database fulfils: those that it was brought to, by the SHA-256 of their statements. It stays a
-- superset of each, so that a run under an older bundle finds its tables.
CREATE TABLE audit.declaration (
  dataset     text NOT NULL,
  sha256      text NOT NULL,
  declared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (dataset, sha256)
);

-- Which dataset a schema belongs to, and what for.
CREATE TABLE audit.dataset_schema (
  schema  text PRIMARY KEY,
  dataset text NOT NULL,
  use     text NOT NULL CHECK (use IN ('staging', 'warehouse', 'marts')),
  UNIQUE (dataset, use)
);

-- A mart's name is its dataset's own.
ALTER TABLE audit.mart DROP CONSTRAINT mart_pkey, ADD PRIMARY KEY (dataset, mart);

-- A version that was sent by mistake: the run that withdrew it, and the run that had loaded it. NULL: it is not withdrawn. No run loads it until
-- that is undone.
ALTER TABLE audit.object_version
  ADD COLUMN withdrawn_run_id    text,
  ADD COLUMN withdrawn_of_run_id text,
  ADD CONSTRAINT withdrawn_is_not_loaded CHECK (withdrawn_run_id IS NULL OR loaded_run_id IS NULL);

-- Of a withdrawal: how many of the rows that are removed from the version are no longer in the main table, and how many are there in an earlier
-- state again; and the run whose load it withdrew, or restored.
ALTER TABLE audit.run
  ADD COLUMN rows_left           bigint,
  ADD COLUMN rows_reverted       bigint,
  ADD COLUMN withdrawn_of_run_id text;
