// Several processes of one name, agents that leave or whose clocks are wrong, and vantages that are
// known.
#include <gmock/gmock.h>

#include "tests/coordinator/control/control_fixture.h"

namespace portolan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ControlNames : public ControlTest {
 protected:
  // As versions do that know how to wait.
  FakeAgent Agent(const std::string& name, const std::string& vantage, char incarnation,
                  const std::string& peer) {
    FakeAgent a(*control_, name, vantage, incarnation);
    SetClock(a, std::chrono::seconds(0));
    a.call().details.peer = peer;
    return a;
  }
  void SetClock(FakeAgent& a, std::chrono::seconds ahead) {
    a.call().received = clock_.Wall();
    a.call().sent = clock_.Wall() + ahead;
  }
  std::vector<AgentStatus> List() {
    Waiter<std::vector<AgentStatus>> w;
    control_->ListAgents(w.done());
    return *w.Wait();
  }
  std::vector<std::string> Vantages() {
    Waiter<std::vector<std::string>> w;
    control_->ListVantages(w.done());
    return *w.Wait();
  }
};

TEST_F(ControlNames, TheSecondEndsAndBothPeersAreNamed) {
  std::vector<std::string> logged;
  options_.log = [&](LogLevel, std::string_view event, std::initializer_list<LogField> fields) {
    std::string line(event);
    for (const LogField& f : fields) line += fmt::format(" {}={}", f.key, f.value);
    logged.push_back(line);
  };
  Restart();
  FakeAgent first = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  FakeAgent second = Agent("a1", "lab", 'b', "ipv6:%5B2001:db8::2%5D:2000");
  ASSERT_TRUE(Create(Request("10.0.0.0/24", "1-1000")).ok());
  ASSERT_TRUE(first.Sync().ok());
  auto parked = first.Begin();
  absl::StatusOr<SyncAnswer> answer = second.Begin().Wait();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_GT(answer->decision.wait, Duration::zero());
  EXPECT_TRUE(answer->decision.leases.empty());
  first.Take(*parked.Wait());  // answered at once, so that it calls again
  auto again = first.Begin();
  Settle();
  const absl::Status refused = second.Begin().Wait().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("ipv4:198.18.0.1:1000"));
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("ipv6:%5B2001:db8::2%5D:2000"));
  EXPECT_FALSE(first.leases().empty());

  ASSERT_EQ(List().size(), 1u);
  EXPECT_EQ(List()[0].details.peer, "ipv4:198.18.0.1:1000");
  EXPECT_THAT(List()[0].rival_peers, ElementsAre("2001:db8::2"));
  EXPECT_EQ(control_->TakeSnapshot()->name_conflicts, 1u);
  EXPECT_THAT(logged, ::testing::Contains(
                          HasSubstr("two agents of one name agent=a1 works=ipv4:198.18.0.1:1000 "
                                    "ends=ipv6:%5B2001:db8::2%5D:2000")));
  Advance(std::chrono::minutes(61));
  for (const AgentStatus& a : List()) EXPECT_THAT(a.rival_peers, IsEmpty());
  options_.log = nullptr;
  control_.reset();
}

// A version that does not know wait_ms would take the answer for that of a fleet without work.
TEST_F(ControlNames, AnOlderVersionIsToldToTryAgainAndThenToStop) {
  FakeAgent first = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  FakeAgent old(*control_, "a1", "lab", 'b');
  ASSERT_TRUE(first.Sync().ok());
  EXPECT_EQ(old.Begin().Wait().status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(first.Sync().ok());
  auto again = first.Begin();
  Settle();
  EXPECT_EQ(old.Begin().Wait().status().code(), absl::StatusCode::kAborted);
}

TEST_F(ControlNames, OneWhoseConnectionWasClosedIsReplacedWithoutWaitingForItsTerm) {
  FakeAgent first = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  FakeAgent second = Agent("a1", "lab", 'b', "ipv4:198.18.0.1:1001");
  ASSERT_TRUE(first.Sync().ok());
  ASSERT_TRUE(first.OpenStream());
  auto parked = first.Begin();
  first.CancelCall();  // kill -9: the kernel closes its connection
  first.CloseStream();
  EXPECT_EQ(parked.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_GT(second.Begin().Wait()->decision.wait, Duration::zero());
  Advance(std::chrono::seconds(1));
  ASSERT_TRUE(second.Sync().ok());
  EXPECT_EQ(second.call().report.revision_seen > 0, true);
  EXPECT_EQ(List()[0].details.peer, "ipv4:198.18.0.1:1001");
}

TEST_F(ControlNames, AnAgentThatIsAwaySaysWhy) {
  FakeAgent agent = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  agent.call().details.certificate =
      CertificateFacts{"01", clock_.Wall(), clock_.Wall() + std::chrono::seconds(20)};
  ASSERT_TRUE(agent.Sync().ok());
  EXPECT_EQ(List()[0].away_reason, "");
  Advance(std::chrono::seconds(15));
  ASSERT_FALSE(List()[0].live);
  EXPECT_EQ(List()[0].away_reason, "");
  Advance(std::chrono::seconds(15));
  EXPECT_THAT(List()[0].away_reason, HasSubstr("its certificate ended at "));
  auto parked = agent.Begin();  // nothing has changed for it, so it is answered later
  Settle();
  EXPECT_EQ(List()[0].away_reason, "");
}

TEST_F(ControlNames, WhatBecomesOfACertificateIsLoggedOnce) {
  std::vector<std::string> logged;
  options_.log = [&](LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
    std::string line = fmt::format("{}: {}", static_cast<int>(level), event);
    for (const LogField& f : fields) line += fmt::format(" {}={}", f.key, f.value);
    if (line.find("agent") != std::string::npos) logged.push_back(line);
  };
  Restart();
  const WallTime begin = clock_.Wall();
  CertificateFacts facts{"0A", begin, begin + std::chrono::seconds(100)};
  const std::string end = CertificateTimeText(facts.not_after);
  const auto line = [](LogLevel level, const std::string& event) {
    return fmt::format("{}: {}", static_cast<int>(level), event);
  };
  FakeAgent agent = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  agent.call().details.certificate = facts;
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_TRUE(agent.OpenStream());
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_THAT(logged[0], HasSubstr("agent connected agent=a1"));
  EXPECT_THAT(logged[0], HasSubstr("peer=ipv4:198.18.0.1:1000 certificate_not_after=" + end));

  Advance(std::chrono::seconds(75));
  EXPECT_EQ(logged.size(), 1u);
  Advance(std::chrono::seconds(20));
  ASSERT_EQ(logged.size(), 2u);
  EXPECT_THAT(logged[1], HasSubstr(line(LogLevel::kWarning, "an agent's certificate ends soon")));
  EXPECT_THAT(logged[1], HasSubstr("agent=a1 vantage=lab peer=ipv4:198.18.0.1:1000 serial=0A "
                                   "certificate_not_after=" +
                                   end));
  Advance(std::chrono::seconds(10));
  ASSERT_EQ(logged.size(), 3u);
  EXPECT_THAT(logged[2], HasSubstr(line(LogLevel::kError, "an agent's certificate has ended")));
  Advance(std::chrono::seconds(60));
  EXPECT_EQ(logged.size(), 3u);

  // The process makes its connection anew, with another one.
  facts = {"0B", begin, clock_.Wall() + std::chrono::hours(1)};
  agent.call().details.certificate = facts;
  auto parked = agent.Begin();
  Settle();
  ASSERT_EQ(logged.size(), 4u);
  EXPECT_THAT(logged[3], HasSubstr("agent connected with another certificate agent=a1 "
                                   "peer=ipv4:198.18.0.1:1000 serial=0B certificate_not_after=" +
                                   CertificateTimeText(facts.not_after)));
  EXPECT_EQ(List()[0].details.certificate, facts);
  // One that ends while its agent is away is nobody's news: `agents` says it.
  agent.CancelCall();
  agent.CloseStream();
  Advance(std::chrono::minutes(61));
  EXPECT_EQ(logged.size(), 4u) << logged.back();
  options_.log = nullptr;
  control_.reset();
}

TEST_F(ControlNames, AnAgentThatLeavesIsGoneAndItsVantageIsMissed) {
  FakeAgent agent = Agent("a1", "lab", 'a', "ipv4:198.18.0.1:1000");
  ASSERT_TRUE(agent.Sync().ok());
  agent.call().report.draining = agent.call().report.leaving = true;
  const absl::StatusOr<SyncAnswer> answer = agent.Begin().Wait();  // no time has passed
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(control_->TakeSnapshot()->vantages, ElementsAre("lab"));
  Restart();
  EXPECT_THAT(control_->TakeSnapshot()->vantages, ElementsAre("lab"));
  EXPECT_THAT(Vantages(), ElementsAre("lab"));
}

TEST_F(ControlNames, AVantageIsRefusedThatNoAgentHasEverHad) {
  ScanRequest request = Request();
  request.vantages = {"ofice"};
  EXPECT_THAT(std::string(Message(Create(request).status())), HasSubstr("no agent has called"));
  FakeAgent agent = Agent("a1", "office", 'a', "ipv4:198.18.0.1:1000");
  ASSERT_TRUE(agent.Sync().ok());
  const absl::Status refused = Create(request).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("did you mean \"office\"?"));
  request.wait_for_agents = true;
  EXPECT_TRUE(Create(request).ok());
  EXPECT_THAT(control_->TakeSnapshot()->vantages, ElementsAre("office", "ofice"))
      << "a scan names it";
  request.wait_for_agents = false;
  request.vantages = {"office"};
  EXPECT_TRUE(Create(request).ok());
  // A monitor names what will have agents.
  request.vantages = {"later"};
  request.monitor = std::string("m");
  EXPECT_TRUE(Create(request).ok());
  request.monitor.clear();
  request.vantages = {"no name"};
  EXPECT_THAT(std::string(Message(Create(request).status())), HasSubstr("only A-Z"));
}

TEST_F(ControlNames, TimesAreCorrectedOrReplacedAndTheMarkIsKept) {
  FakeAgent fast = Agent("fast", "lab", 'a', "ipv4:198.18.0.1:1000");
  FakeAgent slow = Agent("slow", "yard", 'a', "ipv4:198.18.0.1:1001");
  SetClock(fast, std::chrono::hours(2));
  SetClock(slow, -std::chrono::minutes(2));
  const auto open = [](const ScanSpace::Endpoint& e) { return e.port == 1; };
  ScanRequest request = Request("10.0.0.0/30", "1-3");
  request.mode = ScanMode::kEachVantage;
  ASSERT_TRUE(fast.Sync().ok());
  ASSERT_TRUE(slow.Sync().ok());
  const auto scan = Create(request);
  ASSERT_TRUE(scan.ok()) << scan.status();
  const auto finished = Play(scan->id, {&fast, &slow}, open);
  ASSERT_TRUE(finished.ok() && finished->state == ScanState::kComplete);
  EXPECT_EQ(List()[0].clock_skew_s, 7200);
  EXPECT_TRUE(List()[0].times_replaced);
  EXPECT_EQ(List()[1].clock_skew_s, -120);
  EXPECT_FALSE(List()[1].times_replaced);
  const auto check = [&] {
    Control::ResultRequest all;
    all.states = {State::kOpen, State::kClosed};
    const std::vector<Observation> results = Results(scan->id, all);
    ASSERT_EQ(results.size(), 24u);
    for (const Observation& o : results) {
      EXPECT_EQ(o.time_of_receipt, o.vantage == "lab");
      if (o.vantage == "lab") {
        EXPECT_GE(o.when, scan->created);
        EXPECT_LE(o.when, clock_.Wall());
      } else {  // the fake agents say 1970, by their own clock
        EXPECT_GE(o.when, FromUnixMicros(0) + std::chrono::minutes(2));
        EXPECT_LE(o.when, FromUnixMicros(0) + std::chrono::minutes(3));
      }
    }
  };
  check();
  Restart();
  check();
}

TEST_F(ControlNames, FindingsAboutHostsKeepTheMark) {
  FakeAgent fast = Agent("fast", "lab", 'a', "ipv4:198.18.0.1:1000");
  SetClock(fast, std::chrono::hours(2));
  const auto scan = Create(Request("10.0.0.0/30", "1-3"));
  ASSERT_TRUE(scan.ok()) << scan.status();
  ASSERT_TRUE(fast.Sync().ok());
  ASSERT_FALSE(fast.leases().empty());
  ASSERT_TRUE(fast.OpenStream());
  ParsedBatch batch;
  ParsedFinding& found = batch.findings.emplace_back();
  found.token = fast.leases()[0].token;
  found.finding.kind = HostFindingKind::kStoppedAnswering;
  found.finding.address = *IpAddress::Parse("10.0.0.1");
  found.finding.when = clock_.Wall() + std::chrono::hours(2);
  found.finding.since = found.finding.when - std::chrono::seconds(30);
  found.finding.sentinel = 1;
  const uint64_t seq = fast.NextSeq();
  control_->Report(fast.stream(), seq, std::move(batch), 100);
  ASSERT_TRUE(fast.peer().WaitAcked(seq));
  const auto check = [&] {
    Waiter<Control::ResultSource> opened;
    control_->OpenResults(scan->id, {}, opened.done());
    const auto source = opened.Wait();
    ASSERT_TRUE(source.ok()) << source.status();
    Waiter<FindingRows> read;
    control_->ReadFindings(std::make_shared<const Control::ResultSource>(*source), "", read.done());
    const auto rows = read.Wait();
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->findings.size(), 1u);
    EXPECT_TRUE(rows->findings[0].time_of_receipt);
    EXPECT_LE(rows->findings[0].finding.when, clock_.Wall());
    EXPECT_EQ(rows->findings[0].finding.when - rows->findings[0].finding.since,
              std::chrono::seconds(30));
  };
  check();
  Restart();
  check();
}

}  // namespace
}  // namespace portolan
