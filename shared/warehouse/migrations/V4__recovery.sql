-- What the ledger must know to mend what a crash or a restore took, and to keep what a load warns of.

-- The sentence of a warning that the load itself gave; NULL for the rules of the contract, whose sentences stand there.
ALTER TABLE audit.rule_result ADD COLUMN message text;

-- The reader refuses a word for "nothing" in an id, and counts it in another text: one rule, two severities.
ALTER TABLE audit.rule_result DROP CONSTRAINT rule_result_pkey, ADD PRIMARY KEY (run_id, rule, severity);

-- The version's rows were lost from staging, and its silver is gone: reported once, then not looked for again.
ALTER TABLE audit.object_version ADD COLUMN staging_lost boolean NOT NULL DEFAULT false;

-- The tables that each dataset's migrations made, by their identity: one that is dropped, or stands there in another's place, is named to
-- whoever runs a file. `ledger_oid` is this table's own identity; where it is another, all were restored from a dump together.
CREATE TABLE audit.dataset_table (
  dataset    text NOT NULL,
  name       text NOT NULL,
  oid        bigint NOT NULL,
  ledger_oid bigint NOT NULL,
  PRIMARY KEY (dataset, name)
);

-- A dataset whose tables are being made again: until that is done, no run works on them.
CREATE TABLE audit.rebuild (
  dataset    text PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
