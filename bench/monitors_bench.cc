#include "bench/monitors_bench.h"

namespace portolan::bench {

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

}  // namespace portolan::bench

int main(int argc, char** argv) {
  using namespace portolan::bench;
  std::vector<std::string> keys = kLabArguments;
  keys.insert(keys.end(), {"minutes", "monitors", "changes", "rate", "pattern", "spacing"});
  return MonitorsBench(Arguments(argc, argv, keys)).Run();
}
