-- Times are microseconds since the Unix epoch, UTC; 0: not yet. Positions and tokens are below 2^63. Blobs: see spec_codec.h.

-- epoch, next_token, next_lane.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', 0), ('next_token', 1), ('next_lane', 1);

-- Who saw something, and from which address of its own ('' where only the chunk is kept): written once, named by number in millions of rows.
CREATE TABLE origins (
  id      INTEGER PRIMARY KEY,
  agent   TEXT NOT NULL,
  vantage TEXT NOT NULL,
  source  BLOB NOT NULL,
  UNIQUE (agent, vantage, source)
) STRICT;

CREATE TABLE scans (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of creation
  id       TEXT NOT NULL UNIQUE,
  state    INTEGER NOT NULL,
  created  INTEGER NOT NULL,
  started  INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  retention INTEGER NOT NULL,                   -- microseconds after the end
  expires   INTEGER NOT NULL DEFAULT 0,         -- finished + retention; 0: not finished
  deleted  INTEGER NOT NULL DEFAULT 0,         -- 1: invisible, waits to be purged
  spec     BLOB NOT NULL,
  overlay  BLOB NOT NULL
) STRICT;
CREATE INDEX scans_expiring ON scans (expires) WHERE expires > 0 AND deleted = 0;
CREATE INDEX scans_deleted ON scans (number) WHERE deleted = 1;

-- Apart from scans, so that lists of scans do not read them.
CREATE TABLE spaces (
  scan  INTEGER PRIMARY KEY REFERENCES scans (number),
  space BLOB NOT NULL
) STRICT;

CREATE TABLE requests (
  key    TEXT PRIMARY KEY,
  digest BLOB NOT NULL,
  scan   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_of_scan ON requests (scan);

CREATE TABLE lanes (
  id          INTEGER PRIMARY KEY,
  scan        INTEGER NOT NULL REFERENCES scans (number),
  vantage     TEXT NOT NULL,
  finished    INTEGER NOT NULL DEFAULT 0,
  open        INTEGER NOT NULL DEFAULT 0,
  closed      INTEGER NOT NULL DEFAULT 0,
  filtered    INTEGER NOT NULL DEFAULT 0,
  unreachable INTEGER NOT NULL DEFAULT 0,
  excluded    INTEGER NOT NULL DEFAULT 0,
  agent_scope INTEGER NOT NULL DEFAULT 0,
  no_agent    INTEGER NOT NULL DEFAULT 0,
  attempts    INTEGER NOT NULL DEFAULT 0,
  cancelled   INTEGER NOT NULL DEFAULT 0,
  extra       INTEGER NOT NULL DEFAULT 0,
  tried       BLOB NOT NULL DEFAULT x''         -- positions granted before without a verdict, and how often
) STRICT;
CREATE INDEX lanes_of_scan ON lanes (scan);

CREATE TABLE leases (
  token   INTEGER PRIMARY KEY,
  lane    INTEGER NOT NULL,
  agent   TEXT NOT NULL,
  ranges  BLOB NOT NULL,
  attempt INTEGER NOT NULL,
  live    INTEGER NOT NULL
) STRICT;
CREATE INDEX leases_of_lane ON leases (lane);

-- Positions that will never be known, and why.
CREATE TABLE gaps (
  lane      INTEGER NOT NULL,
  begin_pos INTEGER NOT NULL,
  end_pos   INTEGER NOT NULL,
  cause     INTEGER NOT NULL,
  PRIMARY KEY (lane, begin_pos)
) STRICT, WITHOUT ROWID;

-- Outcomes as they came. Two chunks of a lane may overlap, but each position has a verdict in one of them at most.
CREATE TABLE chunks (
  number    INTEGER PRIMARY KEY,
  lane      INTEGER NOT NULL,
  begin_pos INTEGER NOT NULL,
  end_pos   INTEGER NOT NULL,
  complete  INTEGER NOT NULL,                    -- 1: every position of it has its verdict here
  origin    INTEGER NOT NULL,
  start     INTEGER NOT NULL,
  duration  INTEGER NOT NULL,                    -- milliseconds
  outcomes  BLOB NOT NULL
) STRICT;
-- All that a restart needs of a chunk that is complete.
CREATE INDEX chunks_of_lane ON chunks (lane, begin_pos, end_pos, complete);

-- Finished groups, in place of their chunks.
CREATE TABLE finished_groups (
  number    INTEGER PRIMARY KEY,
  lane      INTEGER NOT NULL,
  begin_pos INTEGER NOT NULL,
  end_pos   INTEGER NOT NULL,
  segments  BLOB NOT NULL,
  outcomes  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX finished_groups_of_lane ON finished_groups (lane, begin_pos, end_pos);

-- Open ports, with what a chunk has no room for. By position, as they come and as chunks supersede them.
CREATE TABLE open_ports (
  lane     INTEGER NOT NULL,
  position INTEGER NOT NULL,
  address  BLOB NOT NULL,                       -- sorts like addresses do
  port     INTEGER NOT NULL,
  reason   INTEGER NOT NULL,
  rtt_us   INTEGER NOT NULL,
  seen     INTEGER NOT NULL,
  origin   INTEGER NOT NULL,
  token    INTEGER NOT NULL,
  PRIMARY KEY (lane, position)
) STRICT, WITHOUT ROWID;
-- As people ask for them.
CREATE INDEX open_ports_by_address ON open_ports (lane, address, port);
