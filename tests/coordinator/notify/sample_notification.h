#pragma once

#include "coordinator/notify/notification.h"

namespace portolan {

// With every field set.
inline Notification SampleNotification() {
  Notification n;
  n.id = "ev-1";
  n.kind = NotificationKind::kFindingOpened;
  n.time = FromUnixMicros(1'700'000'000'123'456);
  n.monitor = "edge";
  n.vantage = "outside";
  n.target = "db.example";
  n.address = "198.18.0.7";
  n.port = 5432;
  n.service = "postgresql";
  n.from = "closed";
  n.to = "open";
  n.severity = Severity::kHigh;
  n.rule = "no-databases-from-outside";
  n.text = "db.example:5432 is open from outside.";
  n.remedy = "Close it in the firewall.";
  n.trail = {"probe 1: open", "probe 2: open"};
  n.labels = {{"team-name", "dba"}};
  return n;
}

}  // namespace portolan
