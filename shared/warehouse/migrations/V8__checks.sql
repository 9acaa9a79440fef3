-- What the dataset's checks found.

-- A row per check of each run that asked it.
CREATE TABLE audit.check_result (
  run_id     text NOT NULL,
  dataset    text NOT NULL,
  check_id   text NOT NULL,
  severity   text NOT NULL CHECK (severity IN ('warn', 'halt')),
  status     text NOT NULL CHECK (status IN ('passed', 'within_budget', 'violated')),
  violations bigint NOT NULL,
  budget     bigint NOT NULL,
  message    text NOT NULL,
  -- whether it looked at all rows, or at those alone that changed since it was asked before
  of_all     boolean NOT NULL,
  -- at most ten violations, in the order of their text
  examples   jsonb NOT NULL,
  millis     bigint NOT NULL,
  checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, check_id)
);
CREATE INDEX check_result_dataset ON audit.check_result (dataset, check_id, checked_at);

-- How each check of a dataset stands: a check that is new, or another one than before, looks at all rows.
CREATE TABLE audit.check_state (
  dataset           text NOT NULL,
  check_id          text NOT NULL,
  definition_sha256 text NOT NULL,
  run_id            text NOT NULL,
  status            text NOT NULL,
  violations        bigint NOT NULL,
  PRIMARY KEY (dataset, check_id)
);
