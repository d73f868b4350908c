#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/monitor/expectation.h"
#include "common/monitor/listed_targets.h"
#include "common/scan/scan_spec.h"

namespace portolan {

struct MonitorVantage {
  std::string name;
  VantageRole role = VantageRole::kInside;
  friend bool operator==(const MonitorVantage&, const MonitorVantage&) = default;
};

// When a monitor runs: `every` or `cron`, never both. See coordinator/monitors/schedule.h.
struct MonitorSchedule {
  std::optional<Duration> every;  // 1 min to 366 days
  std::optional<Duration> at;     // of `every`: offset into each interval; not given: by the name
  std::string cron;
  std::string time_zone = "UTC";  // of `cron`: a name of the IANA database
  Duration jitter{};              // each run starts up to so much later
  friend bool operator==(const MonitorSchedule&, const MonitorSchedule&) = default;
};

// Careful and fast, as for a scan: a timing template, and what differs from it.
struct MonitorRate {
  std::optional<double> max_rate;  // probes/s over all vantages; not given: the template's
  uint32_t level = 3;              // -T0 to -T5
  std::optional<Duration> timeout, min_timeout, retry_delay;
  std::optional<uint32_t> retries;
  std::optional<double> address_rate;  // given: a fixed limit, answers do not raise it
  std::optional<uint32_t> address_in_flight;
  std::optional<double> prefix_rate;  // given: a fixed limit
  std::optional<uint32_t> growth;
  Priority priority = Priority::kNormal;
  friend bool operator==(const MonitorRate&, const MonitorRate&) = default;
};
// The template of the level with what differs from it.
ProbeTiming TimingOf(const MonitorRate& rate);
double MaxRateOf(const MonitorRate& rate);  // 0: no limit

// What becomes of a run that is due while the one before it is under way.
enum class OverlapPolicy : uint8_t {
  kSkip = 1,  // it is skipped, and counted
  kQueue = 2  // it starts when the other ends; at most one waits
};

// How a difference becomes an event: `needed` of `probes` delayed probes see it again.
struct ConfirmationRule {
  uint32_t probes = 3;                        // 1 to 10
  uint32_t needed = 2;                        // 1 to probes
  Duration delay = std::chrono::seconds(30);  // between two probes
  friend bool operator==(const ConfirmationRule&, const ConfirmationRule&) = default;
};

// Endpoints whose state is known: a vantage that sees them otherwise is not believed. None given:
// chosen from the stable baseline. "ADDRESS:PORT" or "NAME:PORT".
struct MonitorCanaries {
  std::vector<std::string> open, closed;
  friend bool operator==(const MonitorCanaries&, const MonitorCanaries&) = default;
};

// A named, recurring scan from each of its vantages, and what its owner expects of it. A plain
// value; what makes one valid is in the table of its fields (monitor_fields.cc) and in
// CheckMonitor. Targets stay text: names are resolved at each run.
struct MonitorSpec {
  std::string name;  // [a-z0-9-], at most 40: a part of keys, files and metrics
  std::map<std::string, std::string> labels;
  std::string owner;
  std::vector<std::string> targets;
  // Further targets are in this file, whose path is as the document has it; empty: there are none.
  // Who reads a document reads the file, too, and puts its content into `listed`.
  std::string targets_file;
  ListedTargets listed;
  std::vector<std::string> exclude;
  std::string ports = "top-100";
  std::string exclude_ports;
  std::vector<MonitorVantage> vantages;
  MonitorSchedule schedule;
  MonitorRate rate;
  OverlapPolicy overlap = OverlapPolicy::kSkip;
  Duration retention = std::chrono::hours(24 * 30);  // of the results of each run
  std::vector<std::string> profiles;
  std::vector<ExpectationRule> expectations;
  ConfirmationRule confirmation;
  MonitorCanaries canaries;
  std::vector<std::string> webhooks;  // by the names the coordinator's configuration gives them
  bool paused = false;
  friend bool operator==(const MonitorSpec&, const MonitorSpec&) = default;
};

// The vantages that a rule speaks of.
std::vector<std::string> RuleVantages(const ExpectationRule& rule, const MonitorSpec& spec);
// All rules in the order in which they are asked: the monitor's own, then its profiles'. The owner
// of each is filled in.
std::vector<ExpectationRule> AllRules(const MonitorSpec& spec);

}  // namespace portolan
