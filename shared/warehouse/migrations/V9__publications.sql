-- What publications showed, of the marts that declare `publications = true`.

CREATE TABLE audit.publication (
  dataset      text NOT NULL,
  -- from 1, in the order in which they were published
  publication  bigint NOT NULL,
  run_id       text NOT NULL,
  as_of        date NOT NULL,
  published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (dataset, publication)
);

-- A row of a mart, from the first publication that showed it until the first one that did not any more.
CREATE TABLE audit.published_row (
  dataset           text NOT NULL,
  mart              text NOT NULL,
  shown             jsonb NOT NULL,
  publication_from  bigint NOT NULL,
  publication_until bigint,
  FOREIGN KEY (dataset, publication_from) REFERENCES audit.publication,
  FOREIGN KEY (dataset, publication_until) REFERENCES audit.publication
);
CREATE INDEX published_row_open ON audit.published_row (dataset, mart) WHERE publication_until IS NULL;
CREATE INDEX published_row_until ON audit.published_row (dataset, mart, publication_until);
