#include "agent/link/reconcile.h"

#include <gmock/gmock.h>

#include <random>

namespace portolan {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr Duration kTerm = seconds(10);
Time At(int s) { return Time(seconds(s)); }

std::shared_ptr<const DenyOverlay> Overlay(uint64_t version) {
  auto overlay = std::make_shared<DenyOverlay>();
  overlay->version = version;
  return overlay;
}

std::shared_ptr<const ScanSpace> Space() {
  const IpAddress net = IpAddress::V4(0xC6120000);  // 198.18.0.0
  auto space = ScanSpace::Create(
      {{IpSet::Of({{net, IpAddress::V4(0xC61200FF)}}), PortSet::Of({{1, 100}})}}, 7);
  return *space;
}

DesiredContext Context(const std::string& scan, uint64_t overlay = 0) {
  return {scan, Space(), {}, Overlay(overlay)};
}

DesiredLease Lease(uint64_t token, IntervalSet ranges, const std::string& scan = "a") {
  return {Token{token}, LaneId{1}, scan, std::move(ranges), 1};
}

DesiredState State(uint64_t revision, std::vector<DesiredLease> leases, uint64_t epoch = 1) {
  DesiredState out;
  out.epoch = epoch;
  out.revision = revision;
  out.lease_term = kTerm;
  out.leases = std::move(leases);
  out.contexts = {Context("a"), Context("b")};
  return out;
}

std::vector<uint64_t> Granted(const Actions& actions) {
  std::vector<uint64_t> out;
  for (const AgentLease& l : actions.grant) out.push_back(l.token.value);
  return out;
}

// Asks and is answered at once.
Actions Exchange(LinkState& state, const DesiredState& desired, Time sent) {
  return Reconcile(state, state.Says(), desired, sent);
}

TEST(Reconcile, FirstAnswerGrantsAndDeadlineCountsFromWhenItWasAsked) {
  LinkState state;
  const Actions a =
      Exchange(state, State(3, {Lease(5, {{0, 10}}), Lease(6, {{20, 30}}, "b")}), At(100));
  ASSERT_THAT(Granted(a), ElementsAre(5, 6));
  EXPECT_EQ(a.grant[0].deadline, At(110));
  EXPECT_EQ(a.grant[0].ranges, (IntervalSet{{0, 10}}));
  EXPECT_EQ(a.grant[1].scan, "b");
  EXPECT_EQ(a.contexts.size(), 2u);
  EXPECT_THAT(a.revoke, IsEmpty());
  EXPECT_EQ(state.epoch, 1u);
  EXPECT_EQ(state.revision, 3u);
  EXPECT_EQ(state.highest, Token{6});
}

TEST(Reconcile, HeldLeaseIsRenewedNotGrantedAgain) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  const Actions a = Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(103));
  EXPECT_THAT(a.grant, IsEmpty());
  EXPECT_THAT(a.shrink, IsEmpty());
  EXPECT_THAT(a.renew, ElementsAre(Pair(Token{5}, At(113))));
}

TEST(Reconcile, MissingLeaseIsRevokedOnceAndGoesOnBeingListed) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}})}), At(100));
  Actions a = Exchange(state, State(4, {Lease(6, {{10, 20}})}), At(101));
  EXPECT_THAT(a.revoke, ElementsAre(Token{5}));
  EXPECT_TRUE(state.Says().leases.contains(Token{5}));  // until what was begun of it is counted
  a = Exchange(state, State(4, {Lease(6, {{10, 20}})}), At(102));
  EXPECT_THAT(a.revoke, IsEmpty());
  // A restarted coordinator may not know yet that it was revoked: its work was given up all the
  // same.
  a = Exchange(state, State(1, {Lease(5, {{0, 5}}), Lease(6, {{10, 20}})}, 2), At(103));
  EXPECT_THAT(a.shrink, IsEmpty());
  EXPECT_THAT(a.renew, ElementsAre(Pair(Token{6}, At(113))));
}

TEST(Reconcile, LeaseWithFewerRangesIsShrunkAndNeverWidenedAgain) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 100}})}), At(100));
  Actions a = Exchange(state, State(4, {Lease(5, {{0, 40}, {90, 200}})}), At(101));
  EXPECT_THAT(a.shrink, ElementsAre(Pair(Token{5}, IntervalSet{{0, 40}, {90, 100}})));
  EXPECT_EQ(a.renew.size(), 1u);
  a = Exchange(state, State(5, {Lease(5, {{0, 100}})}), At(102));
  EXPECT_THAT(a.shrink, IsEmpty());
  EXPECT_EQ(state.leases[Token{5}].ranges, (IntervalSet{{0, 40}, {90, 100}}));
}

TEST(Reconcile, LostAnswerIsRepairedByTheNext) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  // Revision 4 granted token 6 and never arrived; 5 also granted 7.
  const Actions a = Exchange(
      state, State(5, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}}), Lease(7, {{20, 30}})}), At(104));
  EXPECT_THAT(Granted(a), ElementsAre(6, 7));
}

TEST(Reconcile, AnswerThatStillNamesAFinishedLeaseDoesNotBringItBack) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}})}), At(100));
  const AgentStatement asked = state.Says();
  state.leases.erase(Token{5});  // its last chunk was acknowledged while the call was parked
  Actions a =
      Reconcile(state, asked, State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}})}), At(101));
  EXPECT_THAT(a.grant, IsEmpty());
  // Nor does an answer to the next request, which does not list it.
  a = Exchange(state, State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}})}), At(102));
  EXPECT_THAT(a.grant, IsEmpty());
  EXPECT_THAT(a.revoke, IsEmpty());
}

TEST(Reconcile, LeaseThatTheRequestDidNotListIsNotRevokedByItsAnswer) {
  LinkState state;
  const AgentStatement asked = state.Says();
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  const Actions a = Reconcile(state, asked, State(3, {}), At(99));
  EXPECT_THAT(a.revoke, IsEmpty());
  EXPECT_TRUE(state.leases.contains(Token{5}));
}

TEST(Reconcile, DeadlineNeverGoesBack) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  const Actions a = Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(95));
  EXPECT_THAT(a.renew, ElementsAre(Pair(Token{5}, At(110))));
}

TEST(Reconcile, RestartedCoordinatorKeepsWhatItKnowsAndRevokesTheRest) {
  LinkState state;
  Exchange(state, State(30, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}})}), At(100));
  // Restarted: it lost the grant of 6 in no way (leases are persisted), but gave it away meanwhile.
  const Actions a =
      Exchange(state, State(1, {Lease(5, {{0, 10}}), Lease(9, {{30, 40}})}, 2), At(105));
  EXPECT_THAT(a.revoke, ElementsAre(Token{6}));
  EXPECT_THAT(Granted(a), ElementsAre(9));
  EXPECT_THAT(a.renew, ElementsAre(Pair(Token{5}, At(115))));
  EXPECT_EQ(state.epoch, 2u);
  EXPECT_EQ(state.revision, 1u);
}

TEST(Reconcile, RestartedCoordinatorMayGiveBackALeaseThatItDoesNotKnowToBeFinished) {
  LinkState state;
  Exchange(state, State(30, {Lease(5, {{0, 10}})}), At(100));
  state.leases.clear();
  const Actions a = Exchange(state, State(1, {Lease(5, {{4, 10}})}, 2), At(105));
  EXPECT_THAT(Granted(a), ElementsAre(5));
}

TEST(Reconcile, AnswerOfAReplacedCoordinatorChangesNothingWhileLeasesAreInForce) {
  LinkState state;
  Exchange(state, State(30, {Lease(5, {{0, 10}})}, 4), At(100));
  const Actions a = Exchange(state, State(31, {Lease(6, {{0, 10}})}, 3), At(105));
  EXPECT_TRUE(a.stale);
  EXPECT_THAT(a.grant, IsEmpty());
  EXPECT_THAT(a.revoke, IsEmpty());
  EXPECT_THAT(a.renew, IsEmpty());
  EXPECT_EQ(state.epoch, 4u);
  EXPECT_EQ(state.leases[Token{5}].deadline, At(110));
}

TEST(Reconcile, NewDataDirectoryIsAcceptedOnceTheOldLeasesAreOver) {
  LinkState state;
  Exchange(state, State(30, {Lease(500, {{0, 10}})}, 4), At(100));
  const Actions a = Exchange(state, State(1, {Lease(1, {{0, 10}})}, 1), At(111));
  EXPECT_FALSE(a.stale);
  EXPECT_THAT(a.revoke, ElementsAre(Token{500}));
  EXPECT_THAT(Granted(a), ElementsAre(1));
  EXPECT_EQ(state.highest, Token{1});
}

TEST(Reconcile, NewDataDirectoryOfTheSameEpochIsToldByItsRevision) {
  LinkState state;
  Exchange(state, State(30, {Lease(500, {{0, 10}})}, 1), At(100));
  state.leases.clear();
  EXPECT_THAT(Granted(Exchange(state, State(1, {Lease(1, {{0, 10}})}, 1), At(101))),
              ElementsAre(1));
}

TEST(Reconcile, SameTokenForOtherWorkIsRevokedAndNotTakenInTheSameStep) {
  LinkState state;
  Exchange(state, State(30, {Lease(5, {{0, 10}})}), At(100));
  Actions a = Exchange(state, State(1, {Lease(5, {{0, 10}}, "b")}), At(101));
  EXPECT_THAT(a.revoke, ElementsAre(Token{5}));
  EXPECT_THAT(a.grant, IsEmpty());
  EXPECT_TRUE(state.leases[Token{5}].revoked);
}

TEST(Reconcile, GrantOfAnUndescribedScanIsGivenBackWithAReason) {
  LinkState state;
  const Actions a =
      Exchange(state, State(3, {Lease(5, {{0, 10}}, "zzz"), Lease(6, {{0, 10}})}), At(100));
  EXPECT_THAT(Granted(a), ElementsAre(6));
  EXPECT_EQ(a.problems.size(), 1u);
  EXPECT_FALSE(state.leases.contains(Token{5}));
}

TEST(Reconcile, OverlayGrowsAndNeverShrinks) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  DesiredState d = State(4, {Lease(5, {{0, 10}})});
  d.contexts = {{"a", nullptr, {}, Overlay(2)}};
  Actions a = Exchange(state, d, At(101));
  ASSERT_EQ(a.contexts.size(), 1u);
  EXPECT_EQ(a.contexts[0]->overlay->version, 2u);
  EXPECT_NE(a.contexts[0]->space, nullptr);
  d.contexts = {{"a", nullptr, {}, Overlay(1)}};
  Exchange(state, d, At(102));
  EXPECT_EQ(state.contexts["a"]->overlay->version, 2u);
}

TEST(Reconcile, OverlayOfAnUnknownScanIsAProblemNotACrash) {
  LinkState state;
  DesiredState d = State(4, {});
  d.contexts = {{"q", nullptr, {}, Overlay(2)}};
  EXPECT_EQ(Exchange(state, d, At(101)).problems.size(), 1u);
  EXPECT_THAT(state.contexts, IsEmpty());
}

TEST(Reconcile, SharesFollowAndAnUnnamedOneStays) {
  LinkState state;
  DesiredState d = State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}}, "b")});
  d.shares = {{"a", 100}, {"b", -1}, {"unknown", 5}};
  Exchange(state, d, At(100));
  EXPECT_THAT(state.shares, UnorderedElementsAre(Pair("a", 100), Pair("b", -1)));
  d.shares = {{"a", 50}};
  Exchange(state, d, At(101));
  EXPECT_THAT(state.shares, UnorderedElementsAre(Pair("a", 50), Pair("b", -1)));
}

TEST(Reconcile, ContextsGoWithTheirLastLease) {
  LinkState state;
  DesiredState d = State(3, {Lease(5, {{0, 10}}), Lease(6, {{10, 20}}, "b")});
  d.shares = {{"a", 100}, {"b", 5}};
  Exchange(state, d, At(100));
  state.leases.erase(Token{6});
  EXPECT_THAT(state.DropUnusedContexts(At(102), {}), ElementsAre("b"));
  EXPECT_THAT(state.Says().scans, ElementsAre("a"));
  EXPECT_THAT(state.shares, ElementsAre(Pair("a", 100)));
}

TEST(Reconcile, ContextsAreKeptForAWhileAfterTheirLastLease) {
  LinkState state;
  Exchange(state, State(3, {Lease(5, {{0, 10}})}), At(100));
  state.leases.clear();
  state.contexts.erase("b");
  EXPECT_THAT(state.DropUnusedContexts(At(101), seconds(30)), IsEmpty());
  state.leases[Token{7}] = {"a", LaneId{1}, {{0, 1}}, At(200)};
  EXPECT_THAT(state.DropUnusedContexts(At(140), seconds(30)), IsEmpty());
  state.leases.clear();
  EXPECT_THAT(state.DropUnusedContexts(At(141), seconds(30)), IsEmpty());
  EXPECT_THAT(state.DropUnusedContexts(At(170), seconds(30)), IsEmpty());
  EXPECT_THAT(state.DropUnusedContexts(At(171), seconds(30)), ElementsAre("a"));
}

// An honest coordinator over a network that loses requests and answers, against the agent's steps:
// whatever is lost, the agent never holds a position that the coordinator has given to another,
// beyond its deadline; and when nothing is lost both sides agree after two calls.
TEST(Reconcile, ConvergesOverALossyNetworkAndNeverOutlivesARevocation) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
    LinkState agent;
    struct Granted {
      IntervalSet ranges;
      uint64_t told = 0;  // revision of the first answer that had it
      Time expires;
    };
    std::map<Token, Granted> given;
    uint64_t revision = 0;
    uint64_t epoch = 1;
    uint64_t next_token = 1;
    uint64_t next_index = 0;
    Time now = At(100);
    auto step = [&](bool lossy) {
      now += std::chrono::milliseconds(random() % 3000);
      agent.DropUnusedContexts(now, seconds(2));
      const AgentStatement asked = agent.Says();
      const uint64_t seen = agent.epoch == epoch ? agent.revision : 0;
      const Time sent = now;
      if (lossy && chance(20)) return;  // the request is lost
      now += std::chrono::milliseconds(random() % 500);
      // The coordinator: expire, take back what it told of and is not listed, change its mind,
      // answer.
      for (auto it = given.begin(); it != given.end();) {
        const bool listed = asked.leases.contains(it->first);
        const bool knows = it->second.told != 0 && it->second.told <= seen;
        if ((knows && !listed) || it->second.expires < now) {
          it = given.erase(it);
          ++revision;
        } else {
          it->second.expires = now + kTerm;
          ++it;
        }
      }
      if (lossy && chance(30)) {
        given[Token{next_token++}] = {{{next_index, next_index + 100}}, 0, now + kTerm};
        next_index += 100;
        ++revision;
      }
      if (lossy && !given.empty() && chance(15)) {
        given.erase(given.begin());
        ++revision;
      }
      if (lossy && !given.empty() && chance(15)) {
        given.rbegin()->second.ranges.TakeBack(30);
        if (given.rbegin()->second.ranges.empty()) given.erase(std::prev(given.end()));
        ++revision;
      }
      if (lossy && chance(5)) {  // restart
        ++epoch;
        revision = 1;
        for (auto& [token, g] : given) g.told = 0;
      }
      DesiredState d = State(std::max<uint64_t>(revision, 1), {}, epoch);
      for (auto& [token, g] : given) {
        if (g.told == 0) g.told = d.revision;
        d.leases.push_back(Lease(token.value, g.ranges));
      }
      now += std::chrono::milliseconds(random() % 500);
      if (lossy && chance(20)) return;  // the answer is lost
      Reconcile(agent, asked, d, sent);
      if (lossy && !agent.leases.empty() && chance(20))
        agent.leases.erase(agent.leases.begin());  // finished
      // What was begun of the revoked ones is counted.
      std::erase_if(agent.leases,
                    [&](const auto& l) { return l.second.revoked && (!lossy || chance(50)); });
    };
    for (int i = 0; i < 100; ++i) {
      step(true);
      for (const auto& [token, lease] : agent.leases) {
        if (lease.deadline < now) continue;
        // Still in force: the coordinator must not have let it expire (revoking is its own choice,
        // and told).
        const auto it = given.find(token);
        if (it == given.end()) continue;
        ASSERT_LE(lease.deadline, it->second.expires);
      }
    }
    step(false);
    step(false);
    step(false);
    std::map<Token, IntervalSet> held, gave;
    for (const auto& [token, lease] : agent.leases) held[token] = lease.ranges;
    for (const auto& [token, g] : given) gave[token] = g.ranges;
    ASSERT_EQ(held, gave);
  }
}

}  // namespace
}  // namespace portolan
