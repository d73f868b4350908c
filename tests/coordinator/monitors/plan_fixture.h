#pragma once

#include <chrono>
#include <string>

#include "common/monitor/date_text.h"
#include "common/monitor/monitor_spec.h"

namespace portolan {

// "2026-11-23T10:07:00Z".
inline WallTime At(const std::string& text) { return *ParseDateText(text); }

inline MonitorSpec IntervalSpec(const std::string& name, Duration every, Duration at = {}) {
  MonitorSpec s;
  s.name = name;
  s.targets = {"192.0.2.0/24"};
  s.vantages = {{"office", VantageRole::kInside}};
  s.schedule.every = every;
  s.schedule.at = at;
  return s;
}

}  // namespace portolan
