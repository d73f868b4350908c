-- What was found out about hosts as a whole (common/scan/host_finding.h): hosts that answer everywhere, hosts that stopped answering.
CREATE TABLE host_findings (
  lane      INTEGER NOT NULL,
  address   BLOB NOT NULL,                      -- sorts like addresses do
  kind      INTEGER NOT NULL,
  seen      INTEGER NOT NULL,
  opens     INTEGER NOT NULL,
  outcomes  INTEGER NOT NULL,
  confirmed BLOB NOT NULL,                      -- for each port two bytes, the high one first, and what became of the connection
  sentinel  INTEGER NOT NULL,                   -- a port; -1: none
  since     INTEGER NOT NULL,
  silences  INTEGER NOT NULL,
  origin    INTEGER NOT NULL,
  PRIMARY KEY (lane, address, kind)
) STRICT, WITHOUT ROWID;

-- How many of them each lane has, and how many reports came when it had as many as are kept.
ALTER TABLE lanes ADD COLUMN findings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN findings_dropped INTEGER NOT NULL DEFAULT 0;
