#pragma once

namespace portolan {

// Of monitors.db, from version 0 on; never change one that was released, add another. Times are
// microseconds since the Unix epoch, UTC; 0: not yet. Records (BLOB): exposure_codec.h. What a
// removed monitor leaves behind has no row in `monitors` any more and is deleted in slices. The
// outbox of webhooks keeps tables of its own in the same file (notify_*).
inline constexpr const char* kMonitorSchema[] = {R"sql(
CREATE TABLE monitors (
  number  INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT NOT NULL UNIQUE,
  manager TEXT NOT NULL,
  spec    TEXT NOT NULL                  -- MonitorYaml
) STRICT;

-- By name, and for good: a monitor of the same name never uses a generation again, because keys of
-- scans are made of it. The columns are what is needed when the record is damaged.
CREATE TABLE plans (
  name          TEXT PRIMARY KEY,
  generation    INTEGER NOT NULL,
  next_number   INTEGER NOT NULL,
  handled_until INTEGER NOT NULL,
  paused        INTEGER NOT NULL,
  body          BLOB                     -- NULL: the monitor was removed
) STRICT;

-- 1 baseline, 2 health, 3 canaries: of a vantage. 4 confirmations, 5 open findings, 6 names that
-- lead nowhere, 7 last complete runs, 8 list of targets from a file: vantage ''.
CREATE TABLE parts (
  id      INTEGER PRIMARY KEY,           -- records are large: not WITHOUT ROWID
  monitor INTEGER NOT NULL REFERENCES monitors (number),
  kind    INTEGER NOT NULL,
  vantage TEXT NOT NULL,
  body    BLOB NOT NULL,
  UNIQUE (monitor, kind, vantage)
) STRICT;

CREATE TABLE runs (
  monitor    INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  "trigger"  INTEGER NOT NULL,
  state      INTEGER NOT NULL,
  due        INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  finished   INTEGER NOT NULL,
  scan       TEXT NOT NULL,
  message    TEXT NOT NULL,
  positions  INTEGER NOT NULL,
  known      INTEGER NOT NULL,
  candidates INTEGER NOT NULL,
  PRIMARY KEY (monitor, number)
) STRICT, WITHOUT ROWID;

-- What the runs that are under way were asked with.
CREATE TABLE run_inputs (
  id      INTEGER PRIMARY KEY,
  monitor INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  body    BLOB NOT NULL,
  UNIQUE (monitor, number)
) STRICT;

CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  monitor  INTEGER NOT NULL,
  number   INTEGER NOT NULL,             -- of the monitor's events
  time     INTEGER NOT NULL,
  id       TEXT NOT NULL,
  vantage  TEXT NOT NULL,
  target   TEXT NOT NULL,
  port     INTEGER NOT NULL,
  body     BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_monitor ON events (monitor, sequence, vantage);
CREATE INDEX events_of_vantage ON events (vantage, sequence);
CREATE INDEX events_of_subject ON events (target, port, sequence);
CREATE INDEX events_by_id ON events (id);
CREATE INDEX events_by_time ON events (time);

-- Those that are resolved; the open ones are a part.
CREATE TABLE findings (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  monitor  INTEGER NOT NULL,
  resolved INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  body     BLOB NOT NULL
) STRICT;
CREATE INDEX findings_of_monitor ON findings (monitor, resolved, number);
CREATE INDEX findings_by_time ON findings (resolved, number);

-- Numbers of removed monitors whose history is not deleted yet.
CREATE TABLE removed (
  monitor INTEGER PRIMARY KEY
) STRICT;
)sql",
                                                 R"sql(
-- EncodeUnresolved; NULL: none.
ALTER TABLE runs ADD COLUMN unresolved BLOB;
)sql"};

}  // namespace portolan
