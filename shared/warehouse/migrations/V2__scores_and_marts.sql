-- What scoring and publishing add to the ledger; and failures, which may have come to pass before a run knew what it was of.

-- A row per model of each run that scored, or that said why it did not.
CREATE TABLE audit.model (
  run_id           text NOT NULL,
  dataset          text NOT NULL,
  model            text NOT NULL,
  as_of            date NOT NULL,
  status           text NOT NULL CHECK (status IN ('scored', 'too_few_rows', 'left_to_newer')),
  -- the last load that the run knows of: its own; a later one's scores are not written over
  loads_until      timestamptz NOT NULL,
  trained_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  rows             bigint NOT NULL,
  min_rows         bigint NOT NULL,
  features         text[] NOT NULL,
  parameters       jsonb NOT NULL,
  -- what the training found; which names there are depends on the model's type
  metrics          jsonb,
  -- the trained model's own hash, and the object that it lies in
  sha256           text,
  bucket           text,
  key              text,
  rows_written     bigint NOT NULL,
  -- the abnormal rows: [{"name": …, "rows": …}, …] in the order of the dataset's levels
  levels           jsonb NOT NULL,
  PRIMARY KEY (run_id, model)
);
CREATE INDEX model_dataset ON audit.model (dataset, model, loads_until);

-- What "today" is in a dataset's marts: the as-of date of the run that published last.
CREATE TABLE audit.as_of (
  dataset      text PRIMARY KEY,
  as_of        date NOT NULL,
  run_id       text NOT NULL,
  published_at timestamptz NOT NULL
);

-- The marts as they are, each with the hash of its definition.
CREATE TABLE audit.mart (
  mart              text PRIMARY KEY,
  dataset           text NOT NULL,
  definition_sha256 text NOT NULL,
  run_id            text NOT NULL,
  rows              bigint NOT NULL,
  refreshed_at      timestamptz NOT NULL
);

-- "Is there a newer load?" is asked by each run.
CREATE INDEX run_dataset_finished ON audit.run (dataset, finished_at);

-- A run that failed early knows neither its dataset nor its source nor its bundle.
ALTER TABLE audit.run
  ALTER COLUMN dataset DROP NOT NULL,
  ALTER COLUMN source DROP NOT NULL,
  ALTER COLUMN bundle_sha256 DROP NOT NULL,
  ALTER COLUMN bundle_version DROP NOT NULL,
  ALTER COLUMN as_of DROP NOT NULL,
  ADD COLUMN failed_stage text,
  ADD COLUMN failure_code text,
  ADD COLUMN failure_cause text;
