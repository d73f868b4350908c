#pragma once

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/link/control.h"
#include "common/base/status.h"

namespace portolan {

// Stands for the probe threads: keeps what it is ordered, and walks leases when told to.
struct FakeThread {
  struct Lease {
    std::string scan;
    IntervalSet ranges;
    uint64_t unprobed = 0;
    bool reported = false;
    Time deadline;
  };
  std::map<Token, Lease> leases;
  std::map<std::string, double> shares, fractions;
  std::set<std::string> contexts;
  double max_rate = 0;
  double fraction = 1;  // the coordinator's last word
  bool draining = false;

  void operator()(const order::SetContext& o) { contexts.insert(o.context->scan); }
  void operator()(const order::DropContext& o) {
    contexts.erase(o.scan);
    shares.erase(o.scan);
    fractions.erase(o.scan);
  }
  void operator()(const order::Grant& o) {
    ASSERT_TRUE(contexts.contains(o.lease.scan));
    ASSERT_TRUE(shares.contains(o.lease.scan)) << "granted before its rate was set";
    ASSERT_EQ(fractions.contains(o.lease.scan) ? fractions[o.lease.scan] : 1, fraction)
        << "granted before its fraction was set";
    ASSERT_FALSE(leases.contains(o.lease.token));
    leases[o.lease.token] = {o.lease.scan, o.lease.ranges, o.lease.ranges.size(), false,
                             o.lease.deadline};
    if (draining) GiveBack(leases[o.lease.token]);
  }
  void operator()(const order::Shrink& o) {
    Lease& l = leases[o.token];
    l.ranges = l.ranges.Intersection(o.ranges);
    l.unprobed = std::min(l.unprobed, l.ranges.size());
  }
  void operator()(const order::Revoke& o) { GiveBack(leases[o.token]); }
  void operator()(const order::Forget& o) { leases.erase(o.token); }
  void operator()(const order::Renew& o) { leases[o.token].deadline = o.deadline; }
  void operator()(const order::SetDraining& o) {
    draining = o.draining;
    if (!draining) return;
    for (auto& [token, l] : leases) GiveBack(l);
  }
  void operator()(const order::SetShare& o) { shares[o.scan] = o.rate; }
  void operator()(const order::SetTargetFraction& o) { fractions[o.scan] = o.fraction; }
  void operator()(const order::SetMaxRate& o) { max_rate = o.rate; }

  static void GiveBack(Lease& l) {
    l.ranges.TakeBack(l.unprobed);
    l.unprobed = 0;
    if (l.ranges.empty()) l.reported = true;
  }
};

class AgentControlTest : public testing::Test {
 protected:
  void Make(size_t threads, double max_rate = 0) {
    AgentControlOptions options;
    options.threads = threads;
    options.max_rate = max_rate;
    threads_.resize(threads);
    control_ = std::make_unique<AgentControl>(options);
    Obey();
  }

  void Obey() {
    for (const Order& o : control_->TakeOrders()) {
      std::visit([&](const auto& what) { threads_[o.thread](what); }, o.what);
    }
  }

  void Observe() {
    std::vector<ProbeThread::Snapshot> snapshots(threads_.size());
    for (size_t i = 0; i < threads_.size(); ++i) {
      for (const auto& [token, l] : threads_[i].leases) {
        snapshots[i].leases.push_back({token, l.scan, l.ranges, l.unprobed, l.reported});
      }
      snapshots[i].counters.measured_rate = rate_;
      snapshots[i].counters.sent_rate = 3 * rate_;
      snapshots[i].idle = idle_;
    }
    control_->Observe(
        snapshots, {has_room_, spooled_.empty(), [this](Token t) { return spooled_.contains(t); }});
    Obey();
  }

  AgentControl::Step Next() {
    Observe();
    return control_->Next(now_);
  }

  static DesiredContext Context(const std::string& scan) {
    const IpAddress net = IpAddress::V4(0xC6120000);
    static const auto space = *ScanSpace::Create(
        {{IpSet::Of({{net, IpAddress::V4(0xC612FFFF)}}), PortSet::Of({{1, 1000}})}}, 7);
    return {scan, space, {}, std::make_shared<const DenyOverlay>()};
  }

  // Calls, and is answered with these leases (token, positions) of scan "a" at once.
  AgentControl::Ask Exchange(const std::vector<std::pair<uint64_t, uint64_t>>& leases,
                             double share = -1) {
    Observe();
    EXPECT_EQ(control_->Next(now_), AgentControl::Step::kCall);
    const AgentControl::Ask ask = control_->BeginCall(now_);
    Answer(leases, share);
    return ask;
  }
  void Answer(const std::vector<std::pair<uint64_t, uint64_t>>& leases, double share = -1) {
    control_->OnAnswer(Desired(leases, share), now_);
    Obey();
  }
  DesiredState Desired(const std::vector<std::pair<uint64_t, uint64_t>>& leases, double share) {
    DesiredState d;
    d.epoch = 1;
    d.revision = ++revision_;
    d.lease_term = std::chrono::seconds(10);
    for (const auto& [token, size] : leases) {
      d.leases.push_back(
          {Token{token}, LaneId{1}, "a", {{token * 100'000, token * 100'000 + size}}, 1});
    }
    if (share != kNoShare) {
      d.shares = {{"a", share}};
      if (fraction_ < 1) d.fractions = {{"a", fraction_}};
      for (FakeThread& t : threads_) t.fraction = fraction_;
    }
    if (!leases.empty() && !control_->state().contexts.contains("a")) d.contexts = {Context("a")};
    return d;
  }

  FakeThread::Lease& Held(uint64_t token) {
    for (FakeThread& t : threads_) {
      if (t.leases.contains(Token{token})) return t.leases[Token{token}];
    }
    ADD_FAILURE() << "nobody holds " << token;
    static FakeThread::Lease none;
    return none;
  }

  static constexpr double kNoShare = -77;
  std::unique_ptr<AgentControl> control_;
  std::vector<FakeThread> threads_;
  std::set<Token> spooled_;
  Time now_ = Time(std::chrono::seconds(1000));
  double rate_ = 0;
  double fraction_ = 1;
  bool has_room_ = true;
  bool idle_ = true;
  uint64_t revision_ = 0;
};

}  // namespace portolan
