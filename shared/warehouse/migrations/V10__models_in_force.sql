-- Models stay in force: a run scores what changed with the model of an earlier one. Who looks at changes alone remembers how far.

-- The numbers of the lists of what loads wrote (`<table>_changes`): they ascend in the order of a dataset's loads.
CREATE SEQUENCE audit.change;

-- Up to which list a follower (the checks, a model, a mart) has looked. One that is not here looks at all rows.
CREATE TABLE audit.follower (
  dataset    text NOT NULL,
  table_name text NOT NULL,
  follower   text NOT NULL,
  seen       bigint NOT NULL,
  PRIMARY KEY (table_name, follower)
);

-- The model by which the scores are, of each model of each dataset.
CREATE TABLE audit.model_in_force (
  dataset           text NOT NULL,
  model             text NOT NULL,
  -- the run that trained it, in audit.model
  run_id            text NOT NULL,
  definition_sha256 text NOT NULL,
  trained_as_of     date NOT NULL,
  -- the run that scored all rows last, and its as-of date
  scored_run_id     text NOT NULL,
  scored_as_of      date NOT NULL,
  -- the rows that were scored by the training, and how many were new or changed since
  rows              bigint NOT NULL,
  changed_rows      bigint NOT NULL,
  -- of each feature, how many of the rows that were scored since lie in each tenth of the training's values
  since             jsonb NOT NULL,
  PRIMARY KEY (dataset, model)
);

ALTER TABLE audit.model
  DROP CONSTRAINT model_status_check,
  ADD CONSTRAINT model_status_check CHECK (status IN ('trained', 'rescored', 'scored', 'too_few_rows', 'left_to_newer')),
  DROP COLUMN rows_written,
  -- the model by which this run scored: the run that trained it
  ADD COLUMN in_force text,
  -- what the run reported, for an attempt of it that comes again
  ADD COLUMN outcome jsonb NOT NULL;

-- What else a mart's rows depend on than the tables' rows: the as-of date and the models in force, when it was last brought to them.
ALTER TABLE audit.mart ADD COLUMN stands_on text;
