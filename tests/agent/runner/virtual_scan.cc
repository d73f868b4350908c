#include "tests/agent/runner/virtual_scan.h"

#include <algorithm>
#include <map>

#include "agent/runner/runner.h"
#include "common/base/check.h"
#include "common/scan/chunk_codec.h"
#include "common/scan/timing_template.h"
#include "tests/agent/runner/simnet_engine.h"
#include "tests/simnet/params.h"

namespace portolan {
namespace {

constexpr uint32_t kMostGrants = 5;  // of a position, as scans have it
constexpr uint64_t kFirstLease = 4096;
constexpr Duration kLook = std::chrono::milliseconds(50);  // an agent asks for work so often

// Keeps the verdicts, and what is owed by how often it was granted.
class Results final : public ReportSink {
 public:
  void PutOpen(const OpenReport&) override {}
  void PutFinding(const FindingReport&) override {}
  void PutChunk(ChunkReport chunk) override {
    const auto decoded = DecodeOutcomes(chunk.outcomes, 65'536);
    PORTOLAN_CHECK(decoded.ok() && decoded->codes.size() == chunk.range.size());
    const uint32_t grant = grants[chunk.token.value];
    for (size_t i = 0; i < decoded->codes.size(); ++i) {
      const uint64_t index = chunk.range.begin + i;
      const Symbol symbol = decoded->At(i);
      if (symbol.state == State::kOwed) {
        owed[grant].Add({index, index + 1});
      } else {
        PORTOLAN_CHECK(verdicts.emplace(index, symbol).second);
      }
    }
  }
  bool HasRoom() const override { return true; }

  std::map<uint64_t, uint32_t> grants;  // of a lease's positions, by token
  std::map<uint32_t, IntervalSet> owed;
  std::map<uint64_t, Symbol> verdicts;
};

uint64_t MostOf(const auto& table) {
  uint64_t most = 0;
  for (const auto& entry : table.entries()) most = std::max<uint64_t>(most, entry.rate.max());
  return most;
}

}  // namespace

VirtualScanResult RunVirtualScan(const VirtualScanOptions& options) {
  const auto targets = ParseAddressTargets({options.targets});
  const auto ports = ParsePorts(options.ports);
  PORTOLAN_CHECK(targets.ok() && ports.ok());
  const auto blocks = MakeBlocks(*targets, *ports, {});
  PORTOLAN_CHECK(blocks.ok());
  ScanContext context;
  context.scan = "s";
  context.space = ScanSpace::Create(*blocks, options.world.seed).value();
  context.timing = options.timing;
  context.overlay = std::make_shared<DenyOverlay>();

  FakeClock clock;
  const simnet::World world(options.world);
  SimnetEngine engine(clock, world, options.window, options.cost);
  Results results;
  Runner runner(engine, results, Scope::Default());
  runner.SetContext(context);

  VirtualScanResult out;
  out.planned = context.space->size();
  IntervalSet fresh{{0, out.planned}};
  uint64_t next_token = 1;
  const auto grant = [&](IntervalSet ranges, uint32_t attempt) {
    AgentLease lease;
    lease.token = Token{next_token++};
    lease.lane = LaneId{1};
    lease.scan = context.scan;
    lease.ranges = std::move(ranges);
    lease.attempt = attempt;
    lease.deadline = kNever;
    results.grants[lease.token.value] = attempt;
    PORTOLAN_CHECK(runner.Grant(std::move(lease)).ok());
  };
  // Work for a second or so: what is owed first.
  const auto look = [&] {
    uint64_t unbegun = 0;
    for (const LeaseProgress& p : runner.Progress()) {
      unbegun += p.unprobed;
      if (p.reported) runner.Forget(p.token);
    }
    const uint64_t goal =
        std::max(kFirstLease, static_cast<uint64_t>(runner.counters().measured_rate));
    for (auto& [attempt, owed] : results.owed) {
      if (attempt >= kMostGrants) continue;
      while (!owed.empty() && unbegun < goal) {
        IntervalSet part = owed.TakeFront(goal);
        out.owed += part.size();
        unbegun += part.size();
        grant(std::move(part), attempt + 1);
      }
    }
    while (!fresh.empty() && unbegun < goal) {
      IntervalSet part = fresh.TakeFront(goal);
      unbegun += part.size();
      grant(std::move(part), 1);
    }
  };

  const Time begin = clock.Now();
  Time next_look = begin;
  std::vector<ProbeOutcome> outcomes;
  while (results.verdicts.size() +
                 (results.owed.contains(kMostGrants) ? results.owed[kMostGrants].size() : 0) <
             out.planned &&
         clock.Now() < begin + options.limit) {
    if (clock.Now() >= next_look) {
      look();
      next_look = clock.Now() + kLook;
    }
    const Time now = clock.Now();
    const Time next = std::min(runner.Step(now, clock.Wall()), next_look);
    outcomes.clear();
    const Time after = engine.Poll(std::max(next - now, Duration::zero()), outcomes);
    for (const ProbeOutcome& outcome : outcomes) runner.OnOutcome(outcome, after, clock.Wall());
  }

  out.seconds = ToSeconds(clock.Now() - begin);
  out.finished = clock.Now() < begin + options.limit;
  out.unresolved = out.planned - results.verdicts.size();
  for (uint64_t index = 0; index < out.planned; ++index) {
    const ScanSpace::Endpoint at = context.space->At(index);
    const simnet::Host host = world.HostAt(simnet::ToAddress(at.address));
    const Symbol truth = simnet::World::TruthOf(world.PortAt(host, at.port));
    const auto it = results.verdicts.find(index);
    const State state = it == results.verdicts.end() ? State::kOwed : it->second.state;
    out.open += truth.state == State::kOpen;
    out.found += truth.state == State::kOpen && state == State::kOpen;
    out.false_open += truth.state != State::kOpen && state == State::kOpen;
    out.false_filtered += truth.reason != Reason::kNoResponse && it != results.verdicts.end() &&
                          it->second.reason == Reason::kNoResponse;
  }
  const simnet::Counters& c = engine.network();
  out.syns = c.syns;
  out.prefix_limited = c.prefix_limited;
  out.max_syn_second_address = MostOf(c.hosts);
  out.max_syn_second_prefix = MostOf(c.prefixes);
  for (const simnet::HostEntry& h : c.hosts.entries())
    out.max_half_open_address = std::max<uint64_t>(out.max_half_open_address, h.half_open.max);
  out.syns_by_second.assign(c.second_counts.begin(), c.second_counts.end());
  return out;
}

VirtualScanOptions VirtualWorld(const std::string& preset, const std::string& changes,
                                uint64_t seed, uint32_t timing_template, const std::string& ports) {
  const auto found = simnet::FindPreset(preset);
  PORTOLAN_CHECK(found.ok());
  VirtualScanOptions options;
  PORTOLAN_CHECK(simnet::SetParameters(found->parameters, options.world).ok());
  PORTOLAN_CHECK(simnet::SetParameters(changes, options.world).ok());
  PORTOLAN_CHECK(simnet::Validate(options.world).ok());
  options.world.seed = seed;
  options.targets = std::string(found->targets);
  options.ports = ports.empty() ? std::string(found->ports) : ports;
  options.timing = TimingTemplateOf(timing_template).timing;
  return options;
}

}  // namespace portolan
