-- What people named a scan, so that it can be found by that. Empty: it has no name.
ALTER TABLE scans ADD COLUMN name TEXT NOT NULL DEFAULT '';
UPDATE scans SET name = portolan_spec_name(spec);
CREATE INDEX scans_named ON scans (name, number) WHERE name <> '' AND deleted = 0;
