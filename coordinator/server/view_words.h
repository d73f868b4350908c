#pragma once

#include <string_view>

#include "coordinator/monitoring/views.h"

namespace portolan {

// The label of portolan_exposed_ports and the field of the HTTP API.
inline std::string_view ExpectedWord(Expected e) {
  switch (e) {
    case Expected::kYes:
      return "yes";
    case Expected::kNo:
      return "no";
    case Expected::kUnspecified:
      break;
  }
  return "unspecified";
}

inline std::string_view RunStateWord(RunState s) {
  switch (s) {
    case RunState::kRunning:
      return "running";
    case RunState::kComplete:
      return "complete";
    case RunState::kPartial:
      return "partial";
    case RunState::kFailed:
      return "failed";
  }
  return "unknown";
}

inline std::string_view RunTriggerWord(RunTrigger t) {
  switch (t) {
    case RunTrigger::kSchedule:
      return "schedule";
    case RunTrigger::kManual:
      return "manual";
    case RunTrigger::kCatchUp:
      return "catch-up";
  }
  return "unknown";
}

}  // namespace portolan
