-- A backfill's objects are loaded alone, and scored and published once at the backfill's end: nobody else may leave that to them.

ALTER TABLE audit.run ADD COLUMN load_only boolean NOT NULL DEFAULT false;
