// How soon agents hear of what concerns them, while 1,000 of them report 100,000 outcomes a second
// over mutual TLS, each on a connection of its own. Time runs from before the operator's request is
// sent to the arrival of the answer of the agent's parked Synchronize: more than the event that the
// answer waits for.
//   drain      DrainAgent and its undo, one agent at a time: nothing needs to be stored first
//   new scan   CreateScan for the vantage of one idle agent: planned, committed, granted, committed
//   exclusion  ExcludeFromScan of the scan that 900 agents work on: every one of them is told;
//              after the others, not to be in their way
// The baseline is GetServerInfo on the operator's connection at the same time, which the
// coordinator answers without looking at anything.
#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <set>
#include <thread>

#include "bench/lab.h"
#include "common/base/clock.h"

namespace portolan::bench {
namespace {

constexpr double kWantedMs = 100;
constexpr auto kGiveUp = std::chrono::seconds(10);

double Milliseconds(Steady::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

// Tells when an agent is told something. Thread-safe.
class Arrivals {
 public:
  void OnAnswer(const std::string& agent, const v1::SynchronizeResponse& response,
                Steady::time_point when) {
    MutexLock lock(mu_);
    if (auto it = drains_.find(agent); it != drains_.end() && it->second == response.drain()) {
      arrived_[agent] = when;
      drains_.erase(it);
      changed_.NotifyAll();
    }
    uint64_t& highest = tokens_[agent];
    for (const v1::Lease& lease : response.leases()) {
      if (lease.token() <= highest) continue;
      highest = lease.token();
      if (grants_.erase(agent) == 0) continue;
      arrived_[agent] = when;
      changed_.NotifyAll();
    }
    for (const v1::ScanContext& scan : response.scans()) {
      if (scan.scan_id() != herd_scan_ || scan.overlay_version() < herd_version_) continue;
      if (herd_seen_.insert(agent).second) herd_.push_back(when);
      changed_.NotifyAll();
    }
  }

  void ExpectDrain(const std::string& agent, bool drain) {
    MutexLock lock(mu_);
    drains_[agent] = drain;
  }
  void ExpectGrant(const std::string& agent) {
    MutexLock lock(mu_);
    grants_.insert(agent);
  }
  Steady::time_point Await(const std::string& agent) {
    MutexLock lock(mu_);
    const auto until = Steady::now() + kGiveUp;
    while (arrived_.count(agent) == 0) {
      if (Steady::now() > until) Die(fmt::format("agent {} was told nothing within 10 s", agent));
      changed_.WaitFor(mu_, std::chrono::milliseconds(100));
    }
    const auto when = arrived_[agent];
    arrived_.erase(agent);
    return when;
  }

  void ExpectHerd(const std::string& scan, uint64_t version) {
    MutexLock lock(mu_);
    herd_scan_ = scan;
    herd_version_ = version;
    herd_.clear();
    herd_seen_.clear();
  }
  // Those told so far: all of `agents`, or as many as were told within 10 s.
  std::vector<Steady::time_point> AwaitHerd(size_t agents) {
    MutexLock lock(mu_);
    const auto until = Steady::now() + kGiveUp;
    while (herd_.size() < agents && Steady::now() < until)
      changed_.WaitFor(mu_, std::chrono::milliseconds(100));
    return herd_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, bool> drains_ GUARDED_BY(mu_);
  std::set<std::string> grants_ GUARDED_BY(mu_);
  std::map<std::string, uint64_t> tokens_ GUARDED_BY(mu_);
  std::map<std::string, Steady::time_point> arrived_ GUARDED_BY(mu_);
  std::string herd_scan_ GUARDED_BY(mu_);
  uint64_t herd_version_ GUARDED_BY(mu_) = 0;
  std::set<std::string> herd_seen_ GUARDED_BY(mu_);
  std::vector<Steady::time_point> herd_ GUARDED_BY(mu_);
};

void DrainEvents(Lab& lab, Arrivals& arrivals, int workers, const std::atomic<bool>& stop,
                 std::vector<double>* out) {
  std::mt19937_64 random(7);
  while (!stop) {
    const std::string agent = fmt::format("agent-{}", random() % static_cast<uint64_t>(workers));
    for (const bool drain : {true, false}) {
      arrivals.ExpectDrain(agent, drain);
      v1::DrainAgentRequest request;
      request.set_name(agent);
      request.set_undo(!drain);
      grpc::ClientContext context;
      v1::Agent answer;
      const auto begin = Steady::now();
      if (const grpc::Status s = lab.scans().DrainAgent(&context, request, &answer); !s.ok())
        Die("DrainAgent: " + s.error_message());
      out->push_back(Milliseconds(arrivals.Await(agent) - begin));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void NewScanEvents(Lab& lab, Arrivals& arrivals, int idle, const std::atomic<bool>& stop,
                   std::vector<double>* out) {
  for (int i = 0; !stop; i = (i + 1) % idle) {
    const std::string agent = fmt::format("idle-{}", i);
    v1::ScanRequestSpec spec;
    spec.add_targets("127.0.0.0/26");
    spec.set_ports("9");
    spec.add_vantages(agent);
    arrivals.ExpectGrant(agent);
    const auto begin = Steady::now();
    lab.Create(spec);
    out->push_back(Milliseconds(arrivals.Await(agent) - begin));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void Herd(Lab& lab, Arrivals& arrivals, const std::string& scan, uint64_t version, size_t workers,
          std::vector<double>* out) {
  arrivals.ExpectHerd(scan, version);
  v1::ExcludeFromScanRequest request;
  request.set_scan_id(scan);
  request.add_rules(fmt::format("127.255.255.{}", version));
  grpc::ClientContext context;
  v1::Scan answer;
  const auto begin = Steady::now();
  if (const grpc::Status s = lab.scans().ExcludeFromScan(&context, request, &answer); !s.ok())
    Die("ExcludeFromScan: " + s.error_message());
  for (const auto when : arrivals.AwaitHerd(workers)) out->push_back(Milliseconds(when - begin));
}

double InfoMilliseconds(Lab& lab) {
  grpc::ClientContext context;
  v1::ServerInfo info;
  const auto begin = Steady::now();
  if (const grpc::Status s = lab.scans().GetServerInfo(&context, {}, &info); !s.ok())
    Die("GetServerInfo: " + s.error_message());
  return Milliseconds(Steady::now() - begin);
}

std::string Describe(const std::vector<double>& ms) {
  return fmt::format("p50 {:6.1f} ms, p99 {:6.1f} ms, worst {:6.1f} ms of {}", Median(ms),
                     Quantile(ms, 0.99), Quantile(ms, 0.9999999), ms.size());
}

int Main(int argc, char** argv) {
  std::vector<std::string> keys = kLabArguments;
  keys.insert(keys.end(), {"agents", "idle", "rate", "seconds", "mix", "herds"});
  const Arguments arguments(argc, argv, keys);
  const int idle = static_cast<int>(arguments.Number("idle", 100));
  const int workers = static_cast<int>(arguments.Number("agents", 1000)) - idle;
  const double rate = arguments.Number("rate", 100'000), seconds = arguments.Number("seconds", 30);

  const int herds = static_cast<int>(arguments.Number("herds", 6));

  std::vector<SimOptions> agents;
  for (int i = 0; i < workers + idle; ++i) {
    SimOptions o;
    const bool works = i < workers;
    o.name = works ? fmt::format("agent-{}", i) : fmt::format("idle-{}", i - workers);
    o.vantage = works ? "fleet" : o.name;
    o.speed = rate / workers;
    o.paced = true;
    o.chunk = std::max(64u, static_cast<uint32_t>(2 * o.speed));
    o.room = static_cast<uint64_t>(o.speed * 60);
    o.seed = static_cast<uint64_t>(i) + 1;
    agents.push_back(o);
  }
  const ChunkMaker maker(Mix::Named(arguments.Text("mix", "random")), agents[0].chunk, 1);
  Lab lab(arguments);
  v1::ScanRequestSpec spec;
  spec.add_targets("127.0.0.0/8");
  spec.set_ports("1-4096");
  spec.add_vantages("fleet");
  Arrivals arrivals;
  SimFleet fleet(
      agents, maker, [&] { return lab.Connect(); },
      [&](SimAgent& a, const v1::SynchronizeResponse& r, Steady::time_point when) {
        arrivals.OnAnswer(a.options().name, r, when);
      });
  fleet.RunFor(std::chrono::seconds(5));  // handshakes
  const v1::Scan scan = lab.Create(spec);
  fleet.RunFor(std::chrono::seconds(10));

  std::vector<double> drains, scans, herd, info;
  std::atomic<bool> stop{false};
  std::thread drainer([&] { DrainEvents(lab, arrivals, workers, stop, &drains); });
  std::thread creator([&] { NewScanEvents(lab, arrivals, idle, stop, &scans); });
  const auto begin = Steady::now();
  const uint64_t acked = fleet.counters().acked, batches = fleet.counters().batches,
                 answers = fleet.counters().answers;
  const double cpu = lab.coordinator().usage().cpu_s, own = OwnUsage().cpu_s;
  for (int second = 0; second < static_cast<int>(seconds); ++second) {
    for (int i = 0; i < 10; ++i) {
      info.push_back(InfoMilliseconds(lab));
      fleet.RunFor(std::chrono::milliseconds(90));
    }
  }
  const double elapsed = std::chrono::duration<double>(Steady::now() - begin).count();
  const auto per_second = [&](uint64_t now, uint64_t before) {
    return static_cast<double>(now - before) / elapsed;
  };
  const double outcomes = per_second(fleet.counters().acked, acked);
  const auto usage = lab.coordinator().usage();
  fmt::print(
      "  {} agents on {} connections: {} outcomes/s, {:.0f} batches/s, {:.0f} answers of "
      "Synchronize/s; held up {} times\n",
      agents.size(), agents.size(), Count(outcomes), per_second(fleet.counters().batches, batches),
      per_second(fleet.counters().answers, answers), fleet.counters().late.load());
  fmt::print("  coordinator: {:.2f} cores, {} resident; the agents' process: {:.2f} cores\n",
             (usage.cpu_s - cpu) / elapsed, MiB(usage.resident_bytes),
             (OwnUsage().cpu_s - own) / elapsed);
  stop = true;
  drainer.join();
  creator.join();
  for (int i = 1; i <= herds; ++i) {
    Herd(lab, arrivals, scan.id(), static_cast<uint64_t>(i), static_cast<size_t>(workers), &herd);
    fleet.RunFor(std::chrono::seconds(2));
  }
  lab.Cancel(scan.id());
  fmt::print("  baseline   {}\n  drain      {}\n  new scan   {}\n  exclusion  {}\n", Describe(info),
             Describe(drains), Describe(scans), Describe(herd));
  const double p99 = std::max(Quantile(drains, 0.99), Quantile(scans, 0.99));
  PrintSummary("fleet",
               fmt::format("p99 {:.1f} ms from request to arrival (drain {:.1f}, new scan {:.1f}), "
                           "at {} outcomes/s",
                           p99, Quantile(drains, 0.99), Quantile(scans, 0.99), Count(outcomes)),
               "p99 below 100 ms at 100,000 outcomes/s", p99 < kWantedMs && outcomes > 0.95 * rate);
  // Bound by what 900 answers and the 900 calls after them cost on this machine, on both sides.
  PrintSummary("fleet-all",
               fmt::format("p99 {:.1f} ms until all of {} agents know of an exclusion",
                           Quantile(herd, 0.99), workers),
               "p99 below 100 ms", Quantile(herd, 0.99) < kWantedMs);
  return 0;
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) { return portolan::bench::Main(argc, argv); }
