#include "bench/monitors_bench.h"

// What is told of the runs.
namespace portolan::bench {

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

namespace {

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

}  // namespace

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

}  // namespace portolan::bench
