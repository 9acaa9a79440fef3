-- The time zone in which a declaration counts days: what was loaded under another one has instants of that one.
ALTER TABLE audit.declaration ADD COLUMN time_zone text;
