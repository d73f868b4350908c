#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "common/scan/scan_space.h"
#include "coordinator/scheduler/scheduler.h"

namespace portolan {

// Addresses 10.0.0.0 and up on one port each `ports` large: a space of addresses * ports positions.
inline std::shared_ptr<const ScanSpace> MakeSpace(uint64_t addresses, uint32_t ports,
                                                  uint64_t seed = 1) {
  Block block;
  const auto first = IpAddress::V4(0x0a000000u);
  const auto last = IpAddress::V4(static_cast<uint32_t>(0x0a000000u + addresses - 1));
  block.addresses = IpSet::Of({{first, last}});
  block.ports = PortSet::Of({{1, static_cast<uint16_t>(ports)}});
  auto space = ScanSpace::Create({block}, seed);
  EXPECT_TRUE(space.ok()) << space.status();
  return *space;
}

inline ScanRecord MakeScan(ScanId id, ScanSpec spec, std::vector<std::string> lanes = {""}) {
  static uint64_t next_lane = 1;
  ScanRecord r;
  r.id = std::move(id);
  r.spec = std::make_shared<const ScanSpec>(std::move(spec));
  for (std::string& v : lanes) {
    LaneRecord l;
    l.id = LaneId{next_lane++};
    l.vantage = std::move(v);
    r.lanes.push_back(std::move(l));
  }
  return r;
}

// An agent that does what it is told, by hand.
struct TestAgent {
  explicit TestAgent(std::string n, std::string v = "a")
      : name(std::move(n)), vantage(std::move(v)) {}

  std::string name;
  std::string vantage;
  std::string incarnation = "one";
  double rate = 1000;
  double sent = -1;  // SYNs/s; negative: as many
  uint64_t room = 1 << 20;
  bool draining = false, leaving = false;
  uint64_t seen = 0;
  std::map<Token, GrantedLease> held;
  std::map<Token, uint64_t> unprobed;
  std::map<ScanId, double> shares, fractions;
  std::map<ScanId, uint64_t> known;

  AgentReport Report() const {
    AgentReport r;
    r.name = name;
    r.vantage = vantage;
    r.incarnation = incarnation;
    r.revision_seen = seen;
    for (const auto& [token, l] : held) {
      auto u = unprobed.find(token);
      r.leases.push_back({token, l.ranges, u == unprobed.end() ? l.ranges.size() : u->second});
    }
    r.shares = shares;
    r.fractions = fractions;
    r.known_scans = known;
    r.draining = draining;
    r.leaving = leaving;
    r.measured_rate = rate;
    r.sent_rate = sent < 0 ? rate : sent;
    r.room = room;
    return r;
  }
  // As a dutiful agent that had begun nothing: holds what it is told to hold.
  void Obey(const SyncDecision& d) {
    seen = d.revision;
    held.clear();
    for (const GrantedLease& l : d.leases) held[l.token] = l;
    shares = d.shares;
    fractions = d.fractions;
    for (const ScanContextRef& c : d.contexts) known[c.scan];
  }
};

class SchedulerTest : public ::testing::Test {
 protected:
  void Make(SchedulerOptions options = {}) { s = std::make_unique<Scheduler>(options, Token{1}); }
  void Advance(double seconds) { now += FromSeconds(seconds); }
  WallTime Wall() const {
    return FromUnixMicros(1'700'000'000'000'000 + now.time_since_epoch().count() / 1000);
  }
  void Check() { ASSERT_TRUE(s->CheckInvariants().ok()) << s->CheckInvariants(); }

  absl::Status Submit(ScanRecord r) {
    const auto st = s->Submit(std::move(r), now, Wall());
    Check();
    return st;
  }
  SyncDecision Sync(TestAgent& a) {
    auto d = s->Synchronize(a.Report(), now, Wall());
    EXPECT_TRUE(d.ok()) << d.status();
    Check();
    Keep();
    if (!d.ok()) return {};
    a.Obey(*d);
    return *d;
  }
  void Tick() {
    s->Tick(now, Wall());
    Check();
    Keep();
  }
  ChunkVerdict Complete(Token token, const std::string& agent, IndexRange range,
                        IntervalSet owed = {}, IntervalSet refused = {}) {
    ChunkClaim c;
    c.token = token;
    c.agent = agent;
    c.range = range;
    c.counts.closed = range.size() - owed.size();
    c.owed = std::move(owed);
    c.refused_by_scope = std::move(refused);
    c.count_part = [](const IntervalSet& part) {
      Ledger l;
      l.closed = part.size();
      return l;
    };
    auto v = s->Complete(c, now, Wall());
    Check();
    Keep();
    return v;
  }
  // Reports all that the agent holds as closed, lease by lease, and lets it forget them.
  void FinishAll(TestAgent& a) {
    for (auto& [token, l] : a.held) {
      for (const IndexRange& r : l.ranges.ToVector()) Complete(token, a.name, r);
    }
    a.held.clear();
  }
  void Keep() {
    for (Change& c : s->TakeChanges()) changes.push_back(std::move(c));
  }
  ScanState State(const ScanId& id) { return s->GetScan(id)->state; }

  Time now = Time(std::chrono::seconds(1000));
  std::unique_ptr<Scheduler> s = std::make_unique<Scheduler>(SchedulerOptions{}, Token{1});
  std::vector<Change> changes;
};

inline ScanSpec MakeSpec(uint64_t addresses, uint32_t ports) {
  ScanSpec spec;
  spec.space = MakeSpace(addresses, ports);
  return spec;
}

}  // namespace portolan
