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
