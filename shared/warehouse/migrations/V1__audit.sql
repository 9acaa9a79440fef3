-- The engine's own schema: which object versions came, what each run did with them, what each rule found.
-- It knows nothing of any dataset; a dataset's tables refer to it by object_version_key.

CREATE TABLE audit.object_version (
  object_version_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset            text NOT NULL,
  source             text NOT NULL,
  -- which record is read from the object: an object that holds several has a row for each
  record             text COLLATE "C" NOT NULL,
  -- byte order, as the program compares them: the order of versions must not depend on a locale
  bucket             text COLLATE "C" NOT NULL,
  key                text COLLATE "C" NOT NULL,
  version_id         text COLLATE "C" NOT NULL,
  order_instant      timestamptz NOT NULL,
  order_modified     timestamptz NOT NULL,
  order_position     bigint NOT NULL,
  size               bigint NOT NULL,
  content_sha256     text NOT NULL,
  -- the key of another object of the dataset that has the same bytes and came first
  same_bytes_as      text,
  -- the run that last put its rows into the dataset's tables; NULL while none did
  loaded_run_id      text,
  UNIQUE (bucket, key, version_id, record)
);
CREATE INDEX object_version_dataset ON audit.object_version (dataset);
CREATE INDEX object_version_content ON audit.object_version (content_sha256);

CREATE TABLE audit.run (
  run_id             text PRIMARY KEY,
  object_version_key bigint REFERENCES audit.object_version,
  dataset            text NOT NULL,
  source             text NOT NULL,
  bundle_sha256      text NOT NULL,
  bundle_version     text NOT NULL,
  as_of              date NOT NULL,
  status             text NOT NULL CHECK (status IN ('loaded', 'unchanged', 'halted', 'failed', 'withdrawn', 'restored')),
  verdict            text,
  already_loaded     boolean NOT NULL DEFAULT false,
  halted_because     text,
  rows_read          bigint,
  rows_accepted      bigint,
  rows_rejected      bigint,
  rows_inserted      bigint,
  rows_updated       bigint,
  rows_unchanged     bigint,
  rows_superseded    bigint,
  -- rows that this object version showed when it was loaded before, and no longer shows
  rows_removed       bigint,
  -- the file's physical lines, or its sheets' rows: those that are part of a record, and the others by what they are
  units_kind         text CHECK (units_kind IN ('lines', 'rows')),
  units_total        bigint,
  units_records      bigint,
  units_passed_over  bigint,
  units_other        jsonb,
  notices            text[] NOT NULL DEFAULT '{}',
  halts              text[] NOT NULL DEFAULT '{}',
  transform_millis   bigint,
  validate_millis    bigint,
  load_millis        bigint,
  started_at         timestamptz NOT NULL,
  finished_at        timestamptz NOT NULL DEFAULT now(),
  -- invariant: nothing is lost between the file and the ledger, nor between the ledger and the tables
  CONSTRAINT rows_conserved CHECK (rows_read = rows_accepted + rows_rejected),
  CONSTRAINT units_conserved CHECK (units_total = units_records + units_passed_over),
  CONSTRAINT outcomes_conserved CHECK (rows_accepted = rows_inserted + rows_updated + rows_unchanged + rows_superseded)
);
CREATE INDEX run_object_version ON audit.run (object_version_key);

-- per stage ('read', 'accepted', 'rejected', 'removed') and money column: the sum of what can be read, and how many cells cannot
CREATE TABLE audit.run_amount (
  run_id      text NOT NULL REFERENCES audit.run ON DELETE CASCADE,
  stage       text NOT NULL CHECK (stage IN ('read', 'accepted', 'rejected', 'removed')),
  column_name text NOT NULL,
  sum         numeric NOT NULL,
  unreadable  bigint NOT NULL,
  PRIMARY KEY (run_id, stage, column_name)
);

CREATE TABLE audit.rule_result (
  run_id   text NOT NULL REFERENCES audit.run ON DELETE CASCADE,
  rule     text NOT NULL,
  severity text NOT NULL,
  rows     bigint NOT NULL,
  budget   bigint,
  PRIMARY KEY (run_id, rule)
);

-- The total order of a dataset's versions: a later one corrects an earlier one, whatever the order of arrival.
CREATE VIEW audit.version_order AS
SELECT dataset, object_version_key, order_instant,
       row_number() OVER (PARTITION BY dataset
         ORDER BY order_instant, order_modified, order_position, bucket, key, version_id, record) AS rank
FROM audit.object_version;
