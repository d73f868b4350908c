// Many monitors of a coordinator, hourly: whether their runs begin in time, what they cost, and how
// soon a change is told. Real coordinator over mutual TLS, its databases on the disk; agents and
// network are simulated: an outcome is a function of (address, port, seed), and nothing is probed.
//   monitors_bench --bin=... --tls=... --work=... [--minutes=10] [--monitors=200] [--changes=40]
// First each monitor makes its first run, the baseline, as fast as it goes. Then they run as an
// hour of them would, evenly spread over it, for so many minutes, each at the rate that its
// specification asks for, while ports open and close; then until what changed was told.
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
namespace {

constexpr double kOpen = 0.01;
constexpr uint32_t kAddresses = 256, kPorts = 1000, kVantages = 3;
constexpr const char* kVantageNames[kVantages] = {"inside", "east", "west"};
constexpr int kAgentsEach = 2;  // so that another one can confirm
constexpr int kIntervalSeconds = 3600;
constexpr double kLateSeconds = 1;  // a run that begins so much after its time is late
constexpr auto kChangeBefore = std::chrono::seconds(3);  // before the run that finds it
constexpr auto kWarmUp = std::chrono::seconds(180);      // until as many runs are under way as ever
constexpr auto kLongestTail = std::chrono::minutes(8);
constexpr auto kSampleEvery = std::chrono::seconds(15);
constexpr auto kAskEvery = std::chrono::milliseconds(500);

double SecondsOf(int64_t us) { return static_cast<double>(us) / 1e6; }

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

void MonitorsBench::Hour() {
  begun_us_ = ToUnixMicros(SystemClock().Wall());
  const int64_t first_ms = begun_us_ / 1000 + 10'000;
  Apply([&](uint32_t i) {
    const int64_t at_ms = first_ms + static_cast<int64_t>(spacing_ * 1000 * i);
    return fmt::format("  schedule: {{every: 1h, at: {}ms}}\n  rate: {{maxRate: {}}}\n",
                       at_ms % (int64_t{kIntervalSeconds} * 1000), rate_);
  });
  const auto begin = Steady::now();
  const auto first =
      begin + std::chrono::milliseconds(first_ms - ToUnixMicros(SystemClock().Wall()) / 1000);
  const auto end = begin + std::chrono::milliseconds(static_cast<int64_t>(minutes_ * 60'000));
  const double runs = std::chrono::duration<double>(end - first).count() / spacing_;
  PlanChanges(first, std::min(monitors_, static_cast<uint32_t>(std::max(1.0, runs))));
  auto next_sample = begin;
  for (size_t next = 0;;) {
    const auto now = Steady::now();
    if (now >= end && (AllTold() || now >= end + kLongestTail)) break;
    for (; next < planned_.size() && planned_[next].when <= now; ++next) {
      const Change& c = planned_[next];
      network_.Flip(c.address, c.port);
      const State state = network_.At(c.address, c.port).state;
      const char* change = state == State::kOpen     ? "opened"
                           : state == State::kClosed ? "closed"
                                                     : "filtered";
      for (const char* v : kVantageNames)
        expected_.insert({NameOf(c.monitor), v, c.address.ToString(), c.port, change});
    }
    if (now >= next_sample) {
      Sample(std::chrono::duration<double>(now - begin).count());
      next_sample += kSampleEvery;
    }
    const auto ask = Steady::now();
    Get(static_cast<uint32_t>(answers_ms_.size()) % monitors_);
    answers_ms_.push_back(std::chrono::duration<double, std::milli>(Steady::now() - ask).count());
    fleet_->RunFor(kAskEvery);
  }
}

// Shortly before the runs that are to find them, spread evenly over these.
void MonitorsBench::PlanChanges(Steady::time_point first, uint32_t runs) {
  std::mt19937_64 random(11);
  std::set<std::string> used = canaries_;
  for (int n = 0; n < changes_; ++n) {
    Change c;
    c.monitor = static_cast<uint32_t>(n) % runs;
    c.when = first +
             std::chrono::duration_cast<Steady::duration>(
                 std::chrono::duration<double>(spacing_ * c.monitor)) -
             kChangeBefore;
    const bool closes = n % 2 == 1;
    do {
      c.address = AddressOf(c.monitor, static_cast<uint32_t>(random() % kAddresses));
      c.port = static_cast<uint16_t>(1 + random() % kPorts);
    } while ((network_.At(c.address, c.port).state == State::kOpen) != closes ||
             !used.insert(FormatEndpoint(c.address, c.port)).second);
    planned_.push_back(c);
  }
  std::stable_sort(planned_.begin(), planned_.end(),
                   [](const Change& a, const Change& b) { return a.when < b.when; });
}

void MonitorsBench::Sample(double seconds) {
  const ScrapeResult scrape = Scrape(http_);
  const auto usage = lab_.coordinator().usage();
  Point p;
  p.at = seconds;
  p.cpu_s = usage.cpu_s;
  p.own_cpu_s = OwnUsage().cpu_s;
  p.scrape_ms = scrape.ms;
  p.resident = usage.resident_bytes;
  p.stored = StoredNow();
  p.acked = fleet_->counters().acked;
  points_.push_back(p);
  behind_ = std::max(behind_, scrape.Largest("portolan_monitor_behind_seconds"));
  series_ = scrape.Series();
  shown_ = scrape.Series("portolan_port_open");
  scrape_bytes_ = scrape.text.size();
  fmt::print(
      "  {:5.0f} s: {} outcomes, scrape {:.0f} ms, {:.2f} CPU s, {} resident, {} stored, {} "
      "events\n",
      seconds, Count(static_cast<double>(p.acked)), p.scrape_ms, p.cpu_s, MiB(p.resident),
      MiB(p.stored.results), MiB(p.stored.monitors), events_.size());
  std::fflush(stdout);
}

bool MonitorsBench::AllTold() const { return events_.size() >= expected_.size(); }

void MonitorsBench::Tell() {
  // From when as many runs are under way as there will be, else of all.
  auto from = points_.begin();
  const double warm = std::chrono::duration<double>(kWarmUp).count();
  if (points_.back().at > warm + 60)
    from =
        std::find_if(points_.begin(), points_.end(), [&](const Point& p) { return p.at > warm; });
  const Point &a = *from, &b = points_.back();
  const double elapsed = std::max(b.at - a.at, 1e-9);
  const double outcomes = static_cast<double>(b.acked - a.acked) / elapsed;
  fmt::print(
      "  from {:.0f} to {:.0f} s: {} outcomes/s; coordinator {:.2f} CPU s a second, agents "
      "{:.2f}\n",
      a.at, b.at, Count(outcomes), (b.cpu_s - a.cpu_s) / elapsed,
      (b.own_cpu_s - a.own_cpu_s) / elapsed);
  std::vector<double> ms, early, late;
  for (auto p = points_.begin(); p != points_.end(); ++p) {
    ms.push_back(p->scrape_ms);
    if (p < from) continue;
    const double mib = static_cast<double>(p->resident) / (1 << 20);
    (p->at < a.at + elapsed / 3 ? early : late).push_back(mib);
    if (p->at < b.at - elapsed / 3 && p->at >= a.at + elapsed / 3) late.pop_back();
  }
  fmt::print("  resident: {:.1f} MiB in the first third, {:.1f} MiB in the last (medians)\n",
             Median(early), Median(late));
  fmt::print("  GetMonitor answered in {:.1f} ms (median), p99 {:.1f}, worst {:.1f}, of {}\n",
             Median(answers_ms_), Quantile(answers_ms_, 0.99), Quantile(answers_ms_, 0.9999999),
             answers_ms_.size());
  TellRuns();
  const double worst = Quantile(ms, 0.9999999);
  PrintSummary(
      "monitors-scrape",
      fmt::format("{:.1f} ms a scrape, worst {:.1f} of {}; {} series, {} of them ports, {}",
                  Median(ms), worst, ms.size(), series_, shown_, MiB(scrape_bytes_)),
      "under 100 ms", worst < 100);
  TellEvents();
}

void MonitorsBench::TellRuns() {
  std::vector<double> late, took;
  uint64_t incomplete = 0, lost = 0, running = 0;
  for (uint32_t i = 0; i < monitors_; ++i) {
    const v1::Monitor m = Get(i);
    lost += m.missed_runs() + m.skipped_runs();
    for (const v1::MonitorRun& r : m.runs()) {
      if (r.due_unix_us() < begun_us_) continue;
      late.push_back(SecondsOf(r.started_unix_us() - r.due_unix_us()));
      if (r.state() == v1::MonitorRun::STATE_RUNNING) {
        ++running;
        continue;
      }
      took.push_back(SecondsOf(r.finished_unix_us() - r.started_unix_us()));
      incomplete += r.state() != v1::MonitorRun::STATE_COMPLETE || r.known() != r.positions();
    }
  }
  ended_ = monitors_ + took.size();
  fmt::print(
      "  {} runs begun, {} ended after {:.0f} s (median; longest {:.0f}), {} under way; {} not "
      "complete, {} skipped or missed\n",
      late.size(), took.size(), Median(took), Quantile(took, 0.9999999), running, incomplete, lost);
  const double worst = Quantile(late, 0.9999999);
  PrintSummary(
      "monitors-late",
      fmt::format("{} runs begun {:.3f} s after their time, worst {:.3f}; at most {:.3f} s "
                  "behind in a scrape",
                  late.size(), Median(late), worst, behind_),
      "none by 1 s, each complete",
      !late.empty() && worst < kLateSeconds && behind_ < kLateSeconds && incomplete == 0 &&
          lost == 0);
}

void MonitorsBench::TellEvents() {
  std::map<std::string, v1::Monitor> monitors;
  std::map<Key, int> told;
  std::vector<double> seen, ended, planned;
  uint64_t others = 0, twice = 0;
  v1::ExposureEvent slowest;
  for (const EventLog::Entry& entry : events_.entries()) {
    const v1::ExposureEvent& e = entry.event;
    const Key key{e.monitor(), e.vantage(), e.target(), e.port(), e.change()};
    if (expected_.count(key) == 0) {
      if (++others <= 5) fmt::print("  not expected: {}\n", e.ShortDebugString());
      continue;
    }
    if (++told[key] > 1) ++twice;
    const int64_t arrived = ToUnixMicros(entry.arrived);
    for (const v1::EventTrailStep& step : e.trail()) {
      if (step.what() != "run") continue;
      seen.push_back(SecondsOf(arrived - step.unix_us()));
      break;
    }
    if (monitors.count(e.monitor()) == 0) {
      const auto number = static_cast<uint32_t>(std::stoul(e.monitor().substr(6)));
      monitors[e.monitor()] = Get(number);
    }
    // The run that found it is the first of its schedule.
    for (const v1::MonitorRun& r : monitors[e.monitor()].runs()) {
      if (r.due_unix_us() < begun_us_ || r.finished_unix_us() == 0) continue;
      const double seconds = SecondsOf(arrived - r.finished_unix_us());
      if (ended.empty() || seconds > Quantile(ended, 0.9999999)) slowest = e;
      ended.push_back(seconds);
      planned.push_back(SecondsOf(arrived - r.due_unix_us()));
    }
  }
  for (const Key& key : expected_) {
    if (told.count(key) > 0) continue;
    fmt::print("  not told: {} from {}: {}:{} {}\n", std::get<0>(key), std::get<1>(key),
               std::get<2>(key), std::get<3>(key), std::get<4>(key));
  }
  fmt::print("  the slowest one: {} {}:{}", slowest.vantage(), slowest.target(), slowest.port());
  int64_t last = 0;
  for (const v1::EventTrailStep& step : slowest.trail()) {
    if (step.what() == "other-vantage") continue;
    fmt::print("{} {} {} by {}",
               last == 0 ? "," : fmt::format(", {:.1f} s later", SecondsOf(step.unix_us() - last)),
               step.what(), step.seen(), step.agent());
    last = step.unix_us();
  }
  fmt::print(", told {:.1f} s later\n", SecondsOf(slowest.unix_us() - last));
  fmt::print(
      "  to its event from the end of the run that found it: {:.1f} s, worst {:.1f}; from that "
      "run's time: {:.1f} s, worst {:.1f}\n",
      Median(ended), Quantile(ended, 0.9999999), Median(planned), Quantile(planned, 0.9999999));
  PrintSummary(
      "monitors-event",
      fmt::format("{:.1f} s from the probe that first saw a change to its event, worst {:.1f} (run "
                  "at {:.0f}/s, then 2 x {} s of confirmation); {} of {} told, {} twice, {} others",
                  Median(seen), Quantile(seen, 0.9999999), rate_, kDelaySeconds, told.size(),
                  expected_.size(), twice, others),
      "each once, no other", told.size() == expected_.size() && twice == 0 && others == 0);
}

// Bytes of a database in use, and of its file. Nobody else has it open.
std::pair<uint64_t, uint64_t> SizeOf(const std::string& path) {
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK)
    Die("cannot open " + path);
  const auto number = [&](const char* pragma) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, pragma, -1, &statement, nullptr) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
      Die(fmt::format("{}: {}: {}", path, pragma, sqlite3_errmsg(db)));
    const auto n = static_cast<uint64_t>(sqlite3_column_int64(statement, 0));
    sqlite3_finalize(statement);
    return n;
  };
  const uint64_t page = number("PRAGMA page_size"), pages = number("PRAGMA page_count"),
                 unused = number("PRAGMA freelist_count");
  sqlite3_close(db);
  return {page * (pages - unused), page * pages};
}

void MonitorsBench::TellStore() {
  fleet_.reset();
  lab_.coordinator().Stop();  // all of it is in the database files then
  const auto [results, results_file] = SizeOf(lab_.data_directory() + "/portolan.db");
  const auto [monitors, monitors_file] = SizeOf(lab_.data_directory() + "/monitors.db");
  fmt::print("  stored: {} of results of {} runs in a file of {}; {} of {} monitors in one of {}\n",
             MiB(results), ended_, MiB(results_file), MiB(monitors), monitors_, MiB(monitors_file));
  PrintSummary("monitors-stored",
               fmt::format("{:.0f} KiB a run of {} outcomes, {} of them open, and {:.0f} KiB a "
                           "monitor, once",
                           static_cast<double>(results) / 1024 / static_cast<double>(ended_),
                           Count(kAddresses * kPorts * kVantages),
                           Count(kAddresses * kPorts * kVantages * kOpen),
                           static_cast<double>(monitors) / 1024 / monitors_),
               "a figure", true);
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) {
  using namespace portolan::bench;
  std::vector<std::string> keys = kLabArguments;
  keys.insert(keys.end(), {"minutes", "monitors", "changes", "rate", "pattern", "spacing"});
  return MonitorsBench(Arguments(argc, argv, keys)).Run();
}
