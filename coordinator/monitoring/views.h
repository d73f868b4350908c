#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/monitor/monitor_spec.h"
#include "common/scan/scan_spec.h"
#include "coordinator/exposure/canaries.h"
#include "coordinator/exposure/change.h"
#include "coordinator/exposure/exposure_class.h"
#include "coordinator/exposure/findings.h"
#include "coordinator/exposure/names.h"
#include "coordinator/exposure/unknown.h"
#include "coordinator/monitors/monitor_plan.h"

// What monitoring tells to those who ask: plain values, in no wire format.
namespace portolan {

// ---- monitors ----

enum class RunState : uint8_t {
  kRunning = 1,
  kComplete = 2,  // every vantage looked at everything
  kPartial = 3,   // something was not looked at: there it closes nothing
  kFailed = 4,    // no scan could be made; `message` says why
};
std::string_view RunStateName(RunState s);      // "partial"
std::string_view RunTriggerName(RunTrigger t);  // "catch-up"

// A name of a target that led nowhere in a run.
struct UnresolvedName {
  std::string name;
  NameTrouble trouble;
  friend bool operator==(const UnresolvedName&, const UnresolvedName&) = default;
};
inline constexpr size_t kKeptUnresolved = 100;  // of one run

// A run, as it is kept. The numbers of its scan are those of when it ended.
struct RunRecord {
  std::string monitor;
  uint64_t number = 0;
  uint64_t generation = 0;
  RunTrigger trigger = RunTrigger::kSchedule;
  RunState state = RunState::kRunning;
  WallTime due, started, finished;              // finished: epoch 0 while it goes on
  std::string scan;                             // its id; empty: none was made
  std::string message;                          // why it is partial or failed
  uint64_t positions = 0;                       // planned, over all vantages
  uint64_t known = 0;                           // with a verdict
  uint64_t candidates = 0;                      // differences that it found
  std::vector<UnresolvedName> unresolved = {};  // by name, at most the first kKeptUnresolved
  friend bool operator==(const RunRecord&, const RunRecord&) = default;
};

struct VantageStatus {
  std::string vantage;
  VantageRole side = VantageRole::kInside;
  CanaryState canaries = CanaryState::kUnknown;
  std::string canary_reason;
  WallTime since;  // of the canaries' state
  std::vector<Canary> chosen;
  uint64_t open = 0;        // ports of its baseline
  WallTime last_complete;   // epoch 0: never
  std::string mass_change;  // what waits to be accepted; empty: nothing
  uint64_t confirming = 0;  // candidates
};

struct MonitorStatus {
  MonitorSpec spec;
  std::string yaml;  // canonical
  uint64_t generation = 0;
  std::string manager;  // who declares it: empty the API, else "directory"
  bool paused = false;
  std::optional<WallTime> next_due;
  double behind_s = 0;
  std::string behind_text;
  std::vector<RunRecord> runs;  // newest first, at most 20
  std::vector<VantageStatus> vantages;
  uint64_t open_findings = 0;
  uint64_t events = 0;
  uint64_t unresolved_names = 0;  // of targets and exclusions that lead nowhere now
  std::string unresolved_text;    // of them the first, with why; empty: none
  MonitorPlanState plan;
};

struct MonitorDocument {
  std::string source;  // a file name, for messages
  std::string yaml;
  // The files that its targetsFrom name, by the path as in the document. Read by whoever made the
  // document: monitoring opens no file that a document names.
  std::map<std::string, std::string> target_files = {};
  friend bool operator==(const MonitorDocument&, const MonitorDocument&) = default;
};
enum class ApplyAction : uint8_t { kUnchanged = 1, kCreated = 2, kChanged = 3, kDeleted = 4 };
struct ApplyResult {
  std::string monitor;
  ApplyAction action = ApplyAction::kUnchanged;
  std::vector<std::string> diff;  // a line for each field that differs
};

// ---- exposure ----

// kUnknown: it must be open, and whether it is is not known.
enum class Expected : uint8_t { kUnspecified = 1, kYes = 2, kNo = 3, kUnknown = 4 };
std::string_view ExpectedName(Expected e);  // "no"
// Of a port that was observed, by the rule that decides.
Expected ExpectedOf(ExpectAction action, bool open);

struct VantageSight {
  std::string vantage;
  VantageRole side = VantageRole::kInside;
  std::optional<SubjectOutcome> outcome;  // nullopt: not known
  std::optional<Unknown> unknown = {};    // then why
  WallTime since;                         // open: since when; epoch 0: not open
  WallTime last_seen;                     // open: when it was last seen so
  Expected expected = Expected::kUnspecified;
  std::string rule;                                // that decides; empty: none
  Severity severity = Severity::kInfo;             // of that rule
  ExpectAction action = ExpectAction::kMayBeOpen;  // of that rule
};

// A subject that is open from somewhere, or must be.
struct ExposureRow {
  std::string monitor;
  Subject subject;
  Comparison comparison;
  std::vector<VantageSight> sights;  // by vantage
};
struct ExposureQuery {
  std::string monitor;               // empty: all, by name
  std::vector<std::string> targets;  // expressions without names, and names; empty: all
  std::string ports;                 // empty: all
  std::vector<ExposureClass> classes;
  std::optional<Expected> expected;  // of any vantage that sees it open (kNo), or must and does not
  size_t limit = 500;                // rows on a page, 1 to 2,000
  std::string page_token;
};
struct ExposurePage {
  std::vector<ExposureRow> rows;
  std::string next_page_token;  // empty: the end
};

// ---- events and findings ----

// `sequence` of an event as it is kept counts over all monitors of this coordinator.
struct StoredEvent {
  uint64_t sequence = 0;
  ExposureEvent event;
};
struct EventQuery {
  std::string monitor, vantage;  // empty: all
  uint64_t after = 0;            // sequence
  WallTime since;
  size_t limit = 500;  // 1 to 2,000
  bool newest_first = false;
};
struct EventPage {
  std::vector<StoredEvent> events;
  bool more = false;
};

struct MonitorFinding {
  std::string monitor;
  Finding finding;
};
struct FindingQuery {
  std::string monitor;
  std::optional<Severity> min_severity;
  bool resolved = false;  // also those, the newest first, at most `limit`
  size_t limit = 2'000;
};
struct FindingList {
  std::vector<MonitorFinding> findings;
  // Rules that have more findings than are kept: monitor, rule -> how many in all.
  std::map<std::pair<std::string, std::string>, uint64_t> totals;
};

// All that is known of a target and a port.
struct Explanation {
  Subject subject;
  std::vector<ExposureRow> rows;          // of each monitor that covers it
  std::vector<std::string> uncovered_by;  // monitors that were asked and do not look at it
  std::vector<MonitorFinding> findings;
  std::vector<StoredEvent> events;  // newest first, at most 20
};

// ---- what metrics are made of ----

// Of how many targets a port is open: the ports with the most of them, most first (equal ones by
// number, so that they do not come and go), and the sum over all others.
struct PortRanking {
  std::vector<std::pair<uint16_t, uint64_t>> top;
  uint64_t others = 0;
  static PortRanking Of(const std::map<uint16_t, uint64_t>& targets, size_t most);
};
// Ports of portolan_exposed_hosts that a monitor has series for; the rest is port="other".
inline constexpr size_t kExposedHostsPorts = 20;

// Of one monitor; as of `when`, at most some seconds old. Small, but for `open_ports`, which the
// series budget bounds: all of it is copied every some seconds.
struct MonitorMetrics {
  std::string monitor;
  double interval_s = 0;  // 0: by cron
  bool paused = false;
  WallTime last_success, last_started;
  double behind_s = 0;
  double run_duration_s = 0;  // of the last run that ended
  double coverage = 0;        // of the last run: known of planned, 0 to 1
  std::map<RunState, uint64_t> runs;
  uint64_t missed = 0, skipped = 0;
  struct Vantage {
    CanaryState canaries = CanaryState::kUnknown;
    struct Exposed {
      ExposureClass exposure = ExposureClass::kOpenEverywhere;
      Expected expected = Expected::kUnspecified;
      std::optional<Severity> severity = std::nullopt;  // kNo: of the rule that is broken
      friend auto operator<=>(const Exposed&, const Exposed&) = default;
    };
    std::map<Exposed, uint64_t> exposed;            // open from here
    std::map<Severity, uint64_t> missing_expected;  // by the severity of the rule that is broken
    std::array<uint64_t, kUnknownCauses> unknown_expected = {};  // must be open; by cause
    std::array<uint64_t, kChangeKinds> changes = {};             // events since the start
    uint64_t transient = 0, flapping = 0, abandoned = 0;         // settled since the start
    uint64_t confirming = 0;
  };
  std::map<std::string, Vantage> vantages;
  std::map<std::pair<Severity, std::string>, uint64_t> findings;  // by severity and rule
  std::array<uint64_t, 4> unresolved_names = {};                  // by NameProblem
  uint64_t disagreements = 0;  // subjects that are open from some vantages and not from others
  PortRanking hosts_by_port;   // targets with the port open from anywhere
  struct Port {
    Subject subject;
    std::string vantage;
  };
  std::vector<Port> open_ports;  // in the order of subjects, at most what the budget leaves
  uint64_t open_ports_total = 0;
};
struct MonitoringMetrics {
  WallTime when;
  std::vector<MonitorMetrics> monitors;
  size_t running = 0, waiting = 0, confirming_scans = 0;
};

}  // namespace portolan
