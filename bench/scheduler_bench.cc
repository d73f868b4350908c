// What the scheduler costs.
//   scheduler_bench [--max-exponent E] [--seconds S]
// 1. Memory while simulated agents complete 10^6 .. 10^E (9) probes out of order, 1 % of the chunks
//    leaving some owed: each size in a process of its own, its peak beside that of the smallest.
// 2. Microseconds of processor time for a Synchronize, a Complete and a Tick with 1,000 agents and
//    100 scans.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "coordinator/scheduler/scheduler.h"

namespace portolan {
namespace {

using Steady = std::chrono::steady_clock;

uint64_t Random() {
  static uint64_t state = 1;
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// A space of about `size` positions on addresses of 10.0.0.0/8.
std::shared_ptr<const ScanSpace> Space(uint64_t size) {
  const uint32_t ports = static_cast<uint32_t>(std::clamp<uint64_t>(size / 10'000, 1, 1000));
  const uint64_t addresses = size / ports;
  const Block block{
      IpSet::Of({{IpAddress::V4(0x0a000000u),
                  IpAddress::V4(static_cast<uint32_t>(0x0a000000u + addresses - 1))}}),
      PortSet::Of({{1, static_cast<uint16_t>(ports)}})};
  return *ScanSpace::Create({block}, 1);
}

struct Agent {
  AgentReport report;
  std::map<Token, IntervalSet> left;  // not reported yet
  std::vector<std::pair<Token, IndexRange>> chunks;

  void Obey(const SyncDecision& d, uint64_t chunk) {
    report.revision_seen = d.revision;
    report.leases.clear();
    report.shares = d.shares;
    report.fractions = d.fractions;
    for (const ScanContextRef& c : d.contexts) report.known_scans[c.scan] = 0;
    for (const GrantedLease& l : d.leases) {
      if (left.count(l.token) == 0) {
        left[l.token] = l.ranges;
        l.ranges.ForEach([&](IndexRange r) {
          for (uint64_t at = r.begin; at < r.end; at += chunk)
            chunks.push_back({l.token, {at, std::min(r.end, at + chunk)}});
        });
      }
      report.leases.push_back({l.token, l.ranges, left[l.token].size()});
    }
  }
};

// Processor time of this thread, so that a busy machine does not spoil the figures.
double CpuMicros() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}

struct Costs {
  std::vector<double> us;
  template <typename F>
  void Time(F&& f) {
    const double begin = CpuMicros();
    f();
    us.push_back(CpuMicros() - begin);
  }
  void Print(const char* name) {
    std::sort(us.begin(), us.end());
    double sum = 0;
    for (double x : us) sum += x;
    fmt::print(
        "  {:<12} {:>9} calls, mean {:>7.2f} us, median {:>7.2f} us, 99 % {:>8.2f} us, worst "
        "{:>9.1f} us\n",
        name, us.size(), sum / static_cast<double>(us.size()), us[us.size() / 2],
        us[us.size() * 99 / 100], us.back());
  }
};

class Fleet {
 public:
  Fleet(size_t agents, double rate) : scheduler_(SchedulerOptions{}, Token{1}), agents_(agents) {
    for (size_t i = 0; i < agents; ++i) {
      AgentReport& r = agents_[i].report;
      r.name = fmt::format("agent-{:04}", i);
      r.vantage = fmt::format("v{}", i % 10);
      r.incarnation = r.name;  // any
      r.measured_rate = r.sent_rate = rate;
      r.room = 1 << 24;
    }
  }
  void Submit(const std::string& id, uint64_t size, double max_rate) {
    ScanSpec spec;
    spec.space = Space(size);
    spec.max_rate = max_rate;
    spec.max_attempts = 100;
    ScanRecord record;
    record.id = id;
    record.spec = std::make_shared<const ScanSpec>(spec);
    record.lanes.resize(1);
    record.lanes[0].id = LaneId{next_lane_++};
    if (!scheduler_.Submit(std::move(record), now_, {}).ok()) std::abort();
  }
  bool Done() const {
    for (const ScanId& id : scheduler_.ListScans()) {
      if (!IsFinished(scheduler_.GetScan(id)->state)) return false;
    }
    return true;
  }
  // One call of an agent, and some of its chunks, in no order.
  void Turn(Agent& a, uint64_t chunk, size_t reports, bool owe) {
    sync.Time([&] {
      auto d = scheduler_.Synchronize(a.report, now_, {});
      if (!d.ok()) std::abort();
      a.Obey(*d, chunk);
    });
    for (size_t i = 0; i < reports && !a.chunks.empty(); ++i) {
      std::swap(a.chunks[Random() % a.chunks.size()], a.chunks.back());
      const auto [token, range] = a.chunks.back();
      a.chunks.pop_back();
      ChunkClaim claim;
      claim.token = token;
      claim.agent = a.report.name;
      claim.range = range;
      if (owe && Random() % 100 == 0) {
        for (uint64_t at = range.begin; at < range.end; at += 97) claim.owed.Add({at, at + 1});
      }
      claim.counts.closed = range.size() - claim.owed.size();
      complete.Time([&] { scheduler_.Complete(claim, now_, {}); });
      auto left = a.left.find(token);
      left->second.Remove(range);
      if (left->second.empty()) {
        a.left.erase(left);
        a.report.leases.erase(
            std::find_if(a.report.leases.begin(), a.report.leases.end(),
                         [&, t = token](const HeldLease& h) { return h.token == t; }));
      }
    }
    scheduler_.TakeChanges();
    scheduler_.TakeWoken();
  }
  void Tick() {
    tick.Time([&] { scheduler_.Tick(now_, {}); });
    scheduler_.TakeChanges();
    scheduler_.TakeWoken();
  }
  void Advance(Duration d) { now_ += d; }
  std::vector<Agent>& agents() { return agents_; }

  Costs sync, complete, tick;

 private:
  Scheduler scheduler_;
  std::vector<Agent> agents_;
  Time now_ = Time(std::chrono::seconds(100));
  uint64_t next_lane_ = 1;
};

// Peak memory of a child that completes `size` probes.
long PeakKb(uint64_t size, double* seconds) {
  const auto begin = Steady::now();
  const pid_t child = fork();
  if (child == 0) {
    Fleet fleet(20, 1000);
    fleet.Submit("scan", size, 0);
    for (uint64_t turn = 0; !fleet.Done(); ++turn) {
      for (Agent& a : fleet.agents()) fleet.Turn(a, 512, 4, true);
      fleet.Advance(std::chrono::milliseconds(2048));
      fleet.Tick();
      fleet.sync.us.clear(), fleet.complete.us.clear(), fleet.tick.us.clear();
    }
    _exit(0);
  }
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) std::abort();
  *seconds = std::chrono::duration<double>(Steady::now() - begin).count();
  return usage.ru_maxrss;
}

int Main(int argc, char** argv) {
  int max_exponent = 9;
  double seconds = 3;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--max-exponent") max_exponent = std::atoi(argv[i + 1]);
    if (flag == "--seconds") seconds = std::atof(argv[i + 1]);
  }
  fmt::print("scheduler: peak memory while 20 agents complete N probes out of order\n");
  long first = 0;
  for (int e = 6; e <= max_exponent; ++e) {
    double took = 0;
    const long kb = PeakKb(static_cast<uint64_t>(std::pow(10, e)), &took);
    if (first == 0) first = kb;
    fmt::print("  10^{}: {:>6} KiB, {:.2f} of the smallest, {:.1f} s\n", e, kb,
               static_cast<double>(kb) / static_cast<double>(first), took);
    std::fflush(stdout);
  }

  fmt::print("scheduler: 1,000 agents, 100 scans (10 with a rate limit)\n");
  Fleet fleet(1000, 10'000);
  for (int i = 0; i < 100; ++i)
    fleet.Submit(fmt::format("scan-{:03}", i), 10'000'000'000, i % 10 == 0 ? 100'000 : 0);
  const auto end = Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                       std::chrono::duration<double>(seconds));
  while (Steady::now() < end) {
    for (size_t i = 0; i < fleet.agents().size(); ++i) {
      fleet.Turn(fleet.agents()[i], 20'000, 5, false);
      if (i % 100 == 99) {
        fleet.Advance(std::chrono::milliseconds(300));
        fleet.Tick();
      }
    }
  }
  fleet.sync.Print("Synchronize");
  fleet.complete.Print("Complete");
  fleet.tick.Print("Tick");
  return 0;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
