#include <gmock/gmock.h>

#include "tests/coordinator/control/control_fixture.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

bool OpenOn80(const ScanSpace::Endpoint& e) { return e.port == 80; }
bool NoneOpen(const ScanSpace::Endpoint&) { return false; }

using ControlScans = ControlTest;

TEST_F(ControlScans, AScanGoesFromCreationToResults) {
  auto created = Create(Request());
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->id.size(), 10u);
  EXPECT_EQ(created->planned, 1600u);
  EXPECT_EQ(created->state, ScanState::kRunning);
  EXPECT_THAT(created->message, HasSubstr("no agent"));
  FakeAgent agent(*control_, "a1", "lab");
  auto finished = Play(created->id, {&agent}, OpenOn80);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, ScanState::kComplete);
  EXPECT_EQ(finished->ledger.open, 16u);
  EXPECT_EQ(finished->ledger.closed, 1584u);
  EXPECT_EQ(finished->planned, 1600u);
  EXPECT_EQ(finished->message, "");
  const std::vector<Observation> open = Results(created->id);
  ASSERT_EQ(open.size(), 16u);
  EXPECT_EQ(open[0].address.ToString(), "10.0.0.0");
  EXPECT_EQ(open[0].port, 80);
  EXPECT_EQ(open[0].agent, "a1");
  Control::ResultRequest closed;
  closed.states = {State::kClosed};
  closed.targets = {"10.0.0.3"};
  EXPECT_EQ(Results("last", closed).size(), 99u);
}

TEST_F(ControlScans, NewScopeHoldsForScansThatAreCreatedAfterwards) {
  auto created = Create(Request());
  ASSERT_TRUE(created.ok()) << created.status();
  control_->SetScope(Scope::Create({}, {*ParseScopeRule("10.0.0.0/8")}));
  EXPECT_EQ(Create(Request()).status().code(), absl::StatusCode::kPermissionDenied);
  FakeAgent agent(*control_, "a1", "lab");
  auto finished = Play(created->id, {&agent}, OpenOn80);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, ScanState::kComplete);
}

TEST_F(ControlScans, EachVantageCountsEveryPositionFromEachOne) {
  FakeAgent a(*control_, "a1", "dmz"), b(*control_, "b1", "lab");
  ASSERT_TRUE(a.Sync().ok());
  ASSERT_TRUE(b.Sync().ok());
  ScanRequest request = Request();
  request.mode = ScanMode::kEachVantage;
  auto created = Create(request);
  ASSERT_TRUE(created.ok()) << created.status();
  ASSERT_EQ(created->lanes.size(), 2u);
  auto finished = Play(created->id, {&a, &b}, OpenOn80);
  ASSERT_TRUE(finished.ok());
  EXPECT_EQ(finished->state, ScanState::kComplete);
  EXPECT_EQ(finished->ledger.Done(), 3200u);
  EXPECT_EQ(Results(created->id).size(), 32u);
}

TEST_F(ControlScans, WhatRunsGoesOnAfterARestartWithItsLeases) {
  auto created = Create(Request("10.0.0.0/24", "1-400"));
  ASSERT_TRUE(created.ok());
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_GT(agent.held(), 0u);
  const std::vector<GrantedLease> before = agent.leases();
  const uint64_t epoch = control_->epoch();
  Restart();
  agent.Use(*control_);
  EXPECT_GT(control_->epoch(), epoch);
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_FALSE(agent.leases().empty());
  EXPECT_EQ(agent.leases()[0].token, before[0].token);
  auto finished = Play(created->id, {&agent}, OpenOn80);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, ScanState::kComplete);
  EXPECT_EQ(finished->ledger.Done(), 256u * 400u);
  EXPECT_EQ(Results(created->id).size(), 256u);
  Restart();
  EXPECT_EQ(Get(created->id)->ledger.Done(), 256u * 400u);
  EXPECT_EQ(Results("last").size(), 256u);
}

TEST_F(ControlScans, CreateIsIdempotentByItsKey) {
  auto first = Create(Request(), "key", "digest");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Create(Request(), "key", "digest")->id, first->id);
  EXPECT_EQ(Create(Request(), "key", "other").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(Create(Request(), "key2", "digest")->id, first->id);
  Restart();
  EXPECT_EQ(Create(Request(), "key", "digest")->id, first->id);
  EXPECT_EQ(Create(Request(), "key", "other").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ControlScans, TheSameRequestManyTimesAtOnceMakesOneScan) {
  std::vector<Waiter<ScanStatus>> waiters(50);
  for (auto& w : waiters) control_->CreateScan(Request(), "key", "digest", w.done());
  std::set<ScanId> ids;
  for (auto& w : waiters) {
    auto scan = w.Wait();
    ASSERT_TRUE(scan.ok()) << scan.status();
    ids.insert(scan->id);
  }
  EXPECT_EQ(ids.size(), 1u);
}

TEST_F(ControlScans, AFailedRequestDoesNotHoldItsKey) {
  EXPECT_FALSE(Create(Request("10.0.0.0/99"), "key", "bad").ok());
  EXPECT_TRUE(Create(Request(), "key", "good").ok());
}

TEST_F(ControlScans, IdsMayBeShortened) {
  auto a = Create(Request());
  clock_.Advance(std::chrono::seconds(1));
  auto b = Create(Request());
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(Get("last")->id, b->id);
  size_t common = 0;
  while (a->id[common] == b->id[common]) ++common;
  EXPECT_EQ(Get(a->id.substr(0, common + 1))->id, a->id);
  EXPECT_EQ(Get(b->id.substr(0, common + 1))->id, b->id);
  if (common > 0) {
    EXPECT_EQ(Get(a->id.substr(0, common)).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Get("nosuchscan").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get("A1!").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get("").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ControlScans, ANameStandsForTheNewestScanOfThatName) {
  const auto named = [&](const std::string& name) {
    ScanRequest r = Request();
    r.name = name;
    auto created = Create(r);
    EXPECT_TRUE(created.ok()) << created.status();
    clock_.Advance(std::chrono::seconds(1));
    return created->id;
  };
  const ScanId first = named("weekly"), second = named("weekly"), other = named("the other one");
  EXPECT_EQ(Get("weekly")->id, second);
  EXPECT_EQ(Get("the other one")->id, other);
  EXPECT_EQ(Get("weekl").status().code(), absl::StatusCode::kNotFound);
  // An id goes before a name, a name before the beginning of an id.
  named(first);
  EXPECT_EQ(Get(first)->id, first);
  const ScanId shadow = named(first.substr(0, 4));
  EXPECT_EQ(Get(first.substr(0, 4))->id, shadow);
  // Ten letters of the alphabet of ids, and no id.
  const ScanId letters = named("weeklyscan");
  EXPECT_EQ(Get("weeklyscan")->id, letters);
}

TEST_F(ControlScans, WhatCannotBeTakenBackWantsAClearName) {
  const auto named = [&](const std::string& name) {
    ScanRequest r = Request();
    r.name = name;
    auto created = Create(r);
    EXPECT_TRUE(created.ok()) << created.status();
    return created->id;
  };
  const auto remove = [&](const std::string& ref) {
    Waiter<ScanId> w;
    control_->DeleteScan(ref, w.done());
    return w.Wait().status();
  };
  const auto exclude = [&](const std::string& ref) {
    Waiter<ScanStatus> w;
    control_->Exclude(ref, *ExclusionRequest::Parse({"10.0.0.1"}), w.done());
    return w.Wait().status();
  };
  const ScanId first = named("weekly"), second = named("weekly"), single = named("single");
  const absl::Status cancelled = Change("weekly", Control::Verb::kCancel).status();
  EXPECT_EQ(cancelled.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(cancelled)), HasSubstr(first));
  EXPECT_THAT(std::string(Message(cancelled)), HasSubstr(second));
  EXPECT_EQ(exclude("weekly").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(remove("weekly").code(), absl::StatusCode::kInvalidArgument);
  // What can be taken back is done to the newest.
  EXPECT_EQ(Change("weekly", Control::Verb::kPause)->id, second);
  // A name that is also the beginning of another scan's id.
  const ScanId shadow = named(single.substr(0, 5));
  EXPECT_EQ(exclude(single.substr(0, 5)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(exclude("single").ok());
  EXPECT_EQ(Change("single", Control::Verb::kCancel)->id, single);
  EXPECT_TRUE(remove("single").ok());
  EXPECT_EQ(Get("single").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(exclude(shadow).ok());
}

TEST_F(ControlScans, AScanOfMoreThanAYearWantsAWord) {
  ScanRequest r = Request("10.0.0.0/16", "1-65535");
  r.max_rate = 100;  // 498 days
  const absl::Status refused = Create(r).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("years"));
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("--yes"));
  r.allow_long = true;
  EXPECT_TRUE(Create(r).ok());
}

TEST_F(ControlScans, PauseTakesTheWorkBackAndResumeGivesItAgain) {
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(agent.Sync().ok());
  auto created = Create(Request("10.0.0.0/24", "1-1000"));
  ASSERT_TRUE(agent.Sync().ok());
  ASSERT_GT(agent.held(), 0u);
  auto call = agent.Begin();
  ASSERT_EQ(Change(created->id, Control::Verb::kPause)->state, ScanState::kPaused);
  agent.Take(*call.Wait());  // woken
  double rate = 1;
  for (const auto& [scan, share] : agent.call().report.shares) rate = share;
  EXPECT_TRUE(agent.held() == 0 || rate == 0) << "it may hold leases, but not probe";
  EXPECT_EQ(Change(created->id, Control::Verb::kPause)->state, ScanState::kPaused);
  ASSERT_EQ(Change(created->id, Control::Verb::kResume)->state, ScanState::kRunning);
  auto finished = Play(created->id, {&agent}, NoneOpen);
  EXPECT_EQ(finished->state, ScanState::kComplete) << finished.status();
}

TEST_F(ControlScans, CancelEndsAScanAndCountsWhatIsMissing) {
  auto created = Create(Request());
  auto cancelled = Change(created->id, Control::Verb::kCancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, ScanState::kCancelled);
  auto stored = Get(created->id);
  EXPECT_EQ(stored->state, ScanState::kCancelled);
  EXPECT_EQ(stored->ledger.NotProbed(), 1600u);
  EXPECT_TRUE(Change(created->id, Control::Verb::kCancel).ok()) << "idempotent";
  EXPECT_EQ(Change(created->id, Control::Verb::kPause).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Change(created->id, Control::Verb::kResume).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ControlScans, ExclusionsReachTheAgentWithItsNextAnswer) {
  FakeAgent agent(*control_, "a1", "lab");
  auto created = Create(Request("10.0.0.0/24", "1-1000"));
  ASSERT_TRUE(agent.Sync().ok());
  auto call = agent.Begin();
  Waiter<ScanStatus> w;
  control_->Exclude(created->id, *ExclusionRequest::Parse({"10.0.0.7 22"}), w.done());
  auto scan = w.Wait();
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->overlay.version, 1u);
  auto answer = call.Wait();
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->contexts.size(), 1u);
  EXPECT_FALSE(answer->contexts[0].with_space);
  EXPECT_EQ(answer->contexts[0].overlay.version, 1u);
  ASSERT_EQ(answer->contexts[0].overlay.rules.size(), 1u);
  Restart();
  EXPECT_EQ(Get(created->id)->overlay.rules.size(), 1u);
}

TEST_F(ControlScans, OnlyFinishedScansCanBeDeleted) {
  auto created = Create(Request());
  const auto remove = [&](const std::string& ref) {
    Waiter<ScanId> w;
    control_->DeleteScan(ref, w.done());
    return w.Wait().status();
  };
  EXPECT_EQ(remove(created->id).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Change(created->id, Control::Verb::kCancel).ok());
  EXPECT_TRUE(remove("last").ok());
  EXPECT_EQ(remove(created->id).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get(created->id).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ControlScans, RetentionRemovesOldScans) {
  ScanRequest request = Request();
  request.retention_s = 3600;
  auto created = Create(request);
  ASSERT_TRUE(Change(created->id, Control::Verb::kCancel).ok());
  EXPECT_TRUE(Get(created->id).ok());
  clock_.Advance(std::chrono::hours(2));
  Restart();
  // The sweep at start runs on its own thread: the list ends up empty.
  for (int i = 0; i < 100'000 && Get(created->id).ok(); ++i) {
  }
  EXPECT_EQ(Get(created->id).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ControlScans, ListsNewestFirstInPages) {
  std::vector<ScanId> ids;
  for (int i = 0; i < 5; ++i) {
    ids.insert(ids.begin(), Create(Request())->id);
    clock_.Advance(std::chrono::seconds(1));
  }
  ASSERT_TRUE(Change(ids[2], Control::Verb::kCancel).ok());
  std::vector<ScanId> seen;
  std::string token;
  do {
    Waiter<Control::ScanList> w;
    control_->ListScans(2, token, w.done());
    auto list = w.Wait();
    ASSERT_TRUE(list.ok()) << list.status();
    for (const ScanStatus& s : list->scans) seen.push_back(s.id);
    token = list->next;
  } while (!token.empty());
  EXPECT_EQ(seen, ids);
}

TEST_F(ControlScans, WatchersSeeTheBeginningAndTheEnd) {
  auto created = Create(Request());
  struct Seen {
    Mutex mu;
    CondVar cv;
    std::vector<ScanState> states GUARDED_BY(mu);
    bool last GUARDED_BY(mu) = false;
  };
  auto seen = std::make_shared<Seen>();
  control_->Watch(created->id,
                  [seen](absl::StatusOr<std::shared_ptr<const ScanStatus>> status, bool last) {
                    MutexLock lock(seen->mu);
                    PORTOLAN_CHECK(!seen->last && status.ok());
                    seen->states.push_back((*status)->state);
                    seen->last = last;
                    seen->cv.NotifyAll();
                  });
  FakeAgent agent(*control_, "a1", "lab");
  ASSERT_TRUE(Play(created->id, {&agent}, NoneOpen).ok());
  {
    MutexLock lock(seen->mu);
    while (!seen->last) seen->cv.Wait(seen->mu);
    EXPECT_EQ(seen->states.front(), ScanState::kRunning);
    EXPECT_EQ(seen->states.back(), ScanState::kComplete);
  }
  // One that comes afterwards gets the end at once.
  Waiter<std::shared_ptr<const ScanStatus>> late;
  control_->Watch(
      "last", [done = late.done()](absl::StatusOr<std::shared_ptr<const ScanStatus>> s, bool last) {
        PORTOLAN_CHECK(last);
        done(std::move(s));
      });
  EXPECT_EQ((*late.Wait())->state, ScanState::kComplete);
}

TEST_F(ControlScans, ResultFiltersAreChecked) {
  auto created = Create(Request());
  const auto refused = [&](Control::ResultRequest request) {
    Waiter<Control::ResultSource> w;
    control_->OpenResults(created->id, std::move(request), w.done());
    return std::string(w.Wait().status().message());
  };
  Control::ResultRequest r;
  r.ports = "99999";
  EXPECT_THAT(refused(r), HasSubstr("99999"));
  r = {};
  r.targets = {"never.example"};
  EXPECT_THAT(refused(r), HasSubstr("never.example"));
  r.targets = {"10.0.0.1:80"};
  EXPECT_THAT(refused(r), HasSubstr("10.0.0.1:80"));
}

}  // namespace
}  // namespace portolan
