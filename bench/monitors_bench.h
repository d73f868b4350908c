#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "bench/event_log.h"
#include "bench/lab.h"
#include "bench/scrape.h"
#include "bench/simulated_network.h"
#include "common/base/clock.h"

namespace portolan::bench {

// Many monitors of a coordinator, hourly: whether their runs begin in time, what they cost, and how
// soon a change is told. Real coordinator over mutual TLS, its databases on the disk; agents and
// network are simulated: an outcome is a function of (address, port, seed), and nothing is probed.
//   monitors_bench --bin=... --tls=... --work=... [--minutes=10] [--monitors=200] [--changes=40]
// First each monitor makes its first run, the baseline, as fast as it goes. Then they run as an
// hour of them would, evenly spread over it, for so many minutes, each at the rate that its
// specification asks for, while ports open and close; then until what changed was told.
// What it measures, and how: monitors_bench.cc; what is told of it: monitors_report.cc.

inline constexpr double kOpen = 0.01;
inline constexpr uint32_t kAddresses = 256, kPorts = 1000, kVantages = 3;
inline constexpr const char* kVantageNames[kVantages] = {"inside", "east", "west"};
inline constexpr int kAgentsEach = 2;  // so that another one can confirm
inline constexpr int kIntervalSeconds = 3600;
inline constexpr double kLateSeconds = 1;  // a run that begins so much after its time is late
inline constexpr auto kChangeBefore = std::chrono::seconds(3);  // before the run that finds it
// until as many runs are under way as ever
inline constexpr auto kWarmUp = std::chrono::seconds(180);
inline constexpr auto kLongestTail = std::chrono::minutes(8);
inline constexpr auto kSampleEvery = std::chrono::seconds(15);
inline constexpr auto kAskEvery = std::chrono::milliseconds(500);

inline double SecondsOf(int64_t us) { return static_cast<double>(us) / 1e6; }

// What was changed, and what it is to be told as, from each vantage.
using Key = std::tuple<std::string, std::string, std::string, uint32_t, std::string>;

class MonitorsBench {
 public:
  explicit MonitorsBench(const Arguments& arguments)
      : monitors_(static_cast<uint32_t>(arguments.Number("monitors", 200))),
        minutes_(arguments.Number("minutes", 10)),
        changes_(static_cast<int>(arguments.Number("changes", 40))),
        rate_(arguments.Number("rate", 5000)),
        spacing_(arguments.Number("spacing", static_cast<double>(kIntervalSeconds) / monitors_)),
        network_(kOpen, arguments.Text("pattern", "hosts") == "none", 1),
        lab_(arguments, {"--http", "127.0.0.1:0", "--series-budget", "10000"}),
        http_(lab_.HttpAddress()),
        stub_(v1::MonitorService::NewStub(lab_.ConnectOperator())),
        events_(lab_.ConnectOperator()),
        fleet_(std::make_unique<SimFleet>(Agents(), network_, [&] { return lab_.Connect(); })) {}

  int Run() {
    FirstRuns();
    if (minutes_ > 0) {
      Hour();
      Tell();
    }
    TellStore();
    return 0;
  }

 private:
  static std::vector<SimOptions> Agents() {
    std::vector<SimOptions> out;
    for (uint32_t i = 0; i < kVantages * kAgentsEach; ++i) {
      SimOptions o;
      o.name = fmt::format("agent-{}", i);
      o.vantage = kVantageNames[i % kVantages];
      o.by_share = true;
      o.seed = i + 1;
      out.push_back(o);
    }
    return out;
  }

  static std::string NameOf(uint32_t monitor) { return fmt::format("bench-{:03}", monitor); }
  static IpAddress AddressOf(uint32_t monitor, uint32_t host) {
    return IpAddress::V4(0xC6120000u + monitor * kAddresses + host);  // of 198.18.0.0/15
  }

  // The first three open ports and the first closed one of different addresses.
  std::string CanariesOf(uint32_t monitor) {
    std::string open, closed;
    for (uint32_t host = 1, found = 0; host < kAddresses && (found < 3 || closed.empty()); ++host) {
      const IpAddress address = AddressOf(monitor, host);
      for (uint16_t port = 1; port <= kPorts; ++port) {
        const State state = network_.At(address, port).state;
        const std::string text = FormatEndpoint(address, port);
        if (state == State::kOpen && found < 3) {
          open += fmt::format("{}\"{}\"", found++ == 0 ? "" : ", ", text);
        } else if (state == State::kClosed && closed.empty()) {
          closed = fmt::format("\"{}\"", text);
        } else {
          continue;
        }
        canaries_.insert(text);
        break;
      }
    }
    return fmt::format("{{open: [{}], closed: [{}]}}", open, closed);
  }

  void Apply(const std::function<std::string(uint32_t)>& schedule_of) {
    v1::ApplyMonitorsRequest request;
    for (uint32_t i = 0; i < monitors_; ++i) {
      v1::MonitorDocument* d = request.add_documents();
      d->set_source(NameOf(i));
      std::string vantages;
      for (const char* v : kVantageNames) {
        vantages += fmt::format("    - {{name: {}, role: {}}}\n", v,
                                v == std::string("inside") ? "inside" : "outside");
      }
      d->set_yaml(
          fmt::format("apiVersion: portolan/v1\nkind: Monitor\nmetadata:\n  name: {}\n"
                      "spec:\n  targets: [{}/24]\n  ports: 1-{}\n  vantages:\n{}"
                      "{}  profiles: [no-clear-text, no-remote-admin-from-outside]\n"
                      "  confirmation: {{probes: 3, needed: 2, delay: {}s}}\n  canaries: {}\n",
                      NameOf(i), AddressOf(i, 0).ToString(), kPorts, vantages, schedule_of(i),
                      kDelaySeconds, CanariesOf(i)));
    }
    grpc::ClientContext context;
    v1::ApplyMonitorsResponse response;
    Must("ApplyMonitors", stub_->ApplyMonitors(&context, request, &response));
  }

  static void Must(const char* what, const grpc::Status& status) {
    if (!status.ok()) Die(fmt::format("{}: {}", what, status.error_message()));
  }

  v1::Monitor Get(uint32_t monitor) {
    grpc::ClientContext context;
    v1::GetMonitorRequest request;
    request.set_name(NameOf(monitor));
    v1::Monitor answer;
    Must("GetMonitor", stub_->GetMonitor(&context, request, &answer));
    return answer;
  }

  // ---- the first runs ----

  void FirstRuns() {
    const auto begin = Steady::now();
    const double cpu = lab_.coordinator().usage().cpu_s, own = OwnUsage().cpu_s;
    Apply([](uint32_t) { return "  schedule: {every: 30d, at: 1s}\n"; });
    const double applied = std::chrono::duration<double>(Steady::now() - begin).count();
    for (uint32_t i = 0; i < monitors_; ++i) {
      grpc::ClientContext context;
      v1::RunMonitorRequest request;
      request.set_name(NameOf(i));
      v1::Monitor answer;
      Must("RunMonitor", stub_->RunMonitor(&context, request, &answer));
    }
    uint64_t peak = 0;
    for (uint32_t ended = 0; ended < monitors_;) {
      if (Steady::now() - begin > std::chrono::minutes(30)) Die("the first runs take 30 minutes");
      fleet_->RunFor(std::chrono::seconds(1));
      peak = std::max(peak, lab_.coordinator().usage().resident_bytes);
      const ScrapeResult scrape = Scrape(http_);
      ended =
          static_cast<uint32_t>(scrape.Sum("portolan_monitor_runs_total", "state=\"complete\"") +
                                scrape.Sum("portolan_monitor_runs_total", "state=\"partial\"") +
                                scrape.Sum("portolan_monitor_runs_total", "state=\"failed\""));
      if (scrape.Sum("portolan_monitor_runs_total", "state=\"complete\"") != ended)
        Die("a first run was not complete");
    }
    const double elapsed = std::chrono::duration<double>(Steady::now() - begin).count();
    const auto usage = lab_.coordinator().usage();
    const double outcomes = static_cast<double>(fleet_->counters().acked.load());
    fmt::print(
        "  first runs: {} monitors applied in {:.1f} s; {} outcomes in {:.0f} s, {} a second; "
        "coordinator {:.2f} cores, {} resident at most; agents {:.2f} cores\n",
        monitors_, applied, Count(outcomes), elapsed, Count(outcomes / elapsed),
        (usage.cpu_s - cpu) / elapsed, MiB(peak), (OwnUsage().cpu_s - own) / elapsed);
    std::fflush(stdout);
    ended_ = monitors_;
    PrintSummary("monitors-first", fmt::format("{} outcomes/s", Count(outcomes / elapsed)),
                 "over 43,000", outcomes / elapsed > 43'000);
  }

  // Results of runs, which stay for their retention; and what is kept of the monitors, which does
  // not grow with runs that find no change.
  struct Stored {
    uint64_t results = 0, monitors = 0;
    bool operator==(const Stored&) const = default;
  };
  Stored StoredNow() const {
    return {lab_.StoredBytes("portolan.db"), lab_.StoredBytes("monitors.db")};
  }
  // ---- as in an hour ----

  struct Change {
    Steady::time_point when;
    uint32_t monitor = 0;
    IpAddress address;
    uint16_t port = 0;
  };

  void Hour();
  void PlanChanges(Steady::time_point first, uint32_t runs);
  void Sample(double seconds);
  bool AllTold() const;
  void Tell();
  void TellRuns();
  void TellEvents();
  void TellStore();  // and stops the coordinator

  static constexpr int kDelaySeconds = 30;  // of confirmation; probed twice before it is believed

  const uint32_t monitors_;
  const double minutes_;
  const int changes_;
  const double rate_;     // probes a second of a run, over its vantages
  const double spacing_;  // seconds between the beginnings of runs
  SimulatedNetwork network_;
  Lab lab_;
  const std::string http_;
  const std::unique_ptr<v1::MonitorService::Stub> stub_;
  EventLog events_;
  std::unique_ptr<SimFleet> fleet_;

  std::set<std::string> canaries_;  // endpoints
  uint64_t ended_ = 0;              // runs, the first ones too
  std::vector<Change> planned_;     // by time
  std::set<Key> expected_;
  std::map<std::string, int64_t> changed_at_;  // "ADDRESS:PORT", unix us
  struct Point {
    double at = 0, cpu_s = 0, own_cpu_s = 0, scrape_ms = 0;
    uint64_t resident = 0, acked = 0;
    Stored stored;
  };
  std::vector<Point> points_;
  std::vector<double> answers_ms_;  // of GetMonitor, which the thread of monitoring answers
  double behind_ = 0;
  uint64_t series_ = 0, shown_ = 0, scrape_bytes_ = 0;
  int64_t begun_us_ = 0;
};

}  // namespace portolan::bench
