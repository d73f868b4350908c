#pragma once

namespace portolan {

// From version 0 on; never change one that was released, add another. Times are microseconds since
// the Unix epoch, UTC. notify_totals is kept by triggers, so that how many wait is known without
// counting them; a delivery's end takes its message along when it was the last one.
inline constexpr const char* kOutboxSchema[] = {R"sql(
CREATE TABLE notify_meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO notify_meta VALUES ('schema', 1), ('overflowed', 0), ('dropped', 0);

CREATE TABLE notify_messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id     TEXT NOT NULL UNIQUE,
  body   BLOB NOT NULL                 -- EncodeNotification
) STRICT;

CREATE TABLE notify_deliveries (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  message  INTEGER NOT NULL REFERENCES notify_messages (number),
  receiver TEXT NOT NULL,
  state    INTEGER NOT NULL,           -- 0: waits in order; 1: waits aside, until next_at; 2: dead
  next_at  INTEGER NOT NULL DEFAULT 0,
  queued   INTEGER NOT NULL,           -- or sent again by a person
  attempts INTEGER NOT NULL DEFAULT 0,
  died     INTEGER NOT NULL DEFAULT 0,
  status   INTEGER NOT NULL DEFAULT 0,
  error    TEXT NOT NULL DEFAULT '',
  UNIQUE (message, receiver)
) STRICT;
CREATE INDEX notify_waiting ON notify_deliveries (receiver, state, next_at, number);
CREATE INDEX notify_pending ON notify_deliveries (number) WHERE state < 2;
CREATE INDEX notify_dead ON notify_deliveries (number) WHERE state = 2;

CREATE TABLE notify_totals (
  receiver TEXT NOT NULL,
  dead     INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (receiver, dead)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER notify_counts_new AFTER INSERT ON notify_deliveries BEGIN
  INSERT INTO notify_totals VALUES (NEW.receiver, NEW.state = 2, 1)
    ON CONFLICT (receiver, dead) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER notify_counts_moved AFTER UPDATE OF state ON notify_deliveries
    WHEN (OLD.state = 2) <> (NEW.state = 2) BEGIN
  UPDATE notify_totals SET n = n - 1 WHERE receiver = OLD.receiver AND dead = (OLD.state = 2);
  INSERT INTO notify_totals VALUES (NEW.receiver, NEW.state = 2, 1)
    ON CONFLICT (receiver, dead) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER notify_counts_gone AFTER DELETE ON notify_deliveries BEGIN
  UPDATE notify_totals SET n = n - 1 WHERE receiver = OLD.receiver AND dead = (OLD.state = 2);
  DELETE FROM notify_messages WHERE number = OLD.message
    AND NOT EXISTS (SELECT 1 FROM notify_deliveries WHERE message = OLD.message);
END;
)sql",
                                                R"sql(
-- Notifications that gather until their group is complete. Then they are one message, and one
-- delivery that counts for all of them.
CREATE TABLE notify_groups (
  number    INTEGER PRIMARY KEY AUTOINCREMENT,
  receiver  TEXT NOT NULL,
  by_values BLOB NOT NULL,             -- EncodeGroupValues
  closes    INTEGER NOT NULL,          -- nothing is added from then on, and it is sent
  members   INTEGER NOT NULL,          -- that were added,
  bytes     INTEGER NOT NULL           -- and how large they are
) STRICT;
CREATE INDEX notify_groups_due ON notify_groups (receiver, closes, number);
CREATE INDEX notify_groups_open ON notify_groups (receiver, by_values, closes);

-- A state more. 3: gathers. `group_number`: of notify_groups, else 0. `members`: notifications that
-- it holds.
ALTER TABLE notify_deliveries ADD COLUMN group_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notify_deliveries ADD COLUMN members INTEGER NOT NULL DEFAULT 1;
DROP INDEX notify_pending;
CREATE INDEX notify_pending ON notify_deliveries (number) WHERE state <> 2;
CREATE INDEX notify_members ON notify_deliveries (group_number, number) WHERE state = 3;

-- Counts notifications, not messages. kind 0: wait to be sent; 1: dead; 2: gather.
DROP TRIGGER notify_counts_new;
DROP TRIGGER notify_counts_moved;
DROP TRIGGER notify_counts_gone;
ALTER TABLE notify_totals RENAME COLUMN dead TO kind;
CREATE TRIGGER notify_counts_new AFTER INSERT ON notify_deliveries BEGIN
  INSERT INTO notify_totals
    VALUES (NEW.receiver, CASE NEW.state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END, NEW.members)
    ON CONFLICT (receiver, kind) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER notify_counts_moved AFTER UPDATE OF state ON notify_deliveries
    WHEN OLD.state <> NEW.state BEGIN
  UPDATE notify_totals SET n = n - OLD.members WHERE receiver = OLD.receiver
    AND kind = CASE OLD.state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END;
  INSERT INTO notify_totals
    VALUES (NEW.receiver, CASE NEW.state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END, NEW.members)
    ON CONFLICT (receiver, kind) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER notify_counts_gone AFTER DELETE ON notify_deliveries BEGIN
  UPDATE notify_totals SET n = n - OLD.members WHERE receiver = OLD.receiver
    AND kind = CASE OLD.state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 0 END;
  DELETE FROM notify_messages WHERE number = OLD.message
    AND NOT EXISTS (SELECT 1 FROM notify_deliveries WHERE message = OLD.message);
END;
)sql"};

}  // namespace portolan
