-- 1: the agent's clock could not be believed, so the time is when the coordinator received it. Of groups that are finished, see EncodeSegments.
ALTER TABLE chunks ADD COLUMN of_receipt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE open_ports ADD COLUMN of_receipt INTEGER NOT NULL DEFAULT 0;

-- The vantages that have had an agent, and when one of it last called.
CREATE TABLE vantages (
  name      TEXT PRIMARY KEY,
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
