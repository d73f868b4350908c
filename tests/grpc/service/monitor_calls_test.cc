#include "coordinator/service/monitor_convert.h"
#include "tests/grpc/service/monitor_fixture.h"

namespace portolan {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using Stub = v1::MonitorService::Stub;
constexpr auto kInvalid = grpc::StatusCode::INVALID_ARGUMENT;

class MonitorCalls : public MonitorServiceTest {};

TEST_F(MonitorCalls, ApplyPassesDocumentsAndSaysWhatWasDone) {
  monitoring_.apply_results = {{"db", ApplyAction::kDeleted, {}},
                               {"web", ApplyAction::kChanged, {"spec.ports: 22 -> 23"}}};
  v1::ApplyMonitorsRequest request;
  v1::MonitorDocument* document = request.add_documents();
  document->set_source("web.yaml");
  document->set_yaml("kind: Monitor");
  request.set_dry_run(true);
  request.set_prune(true);
  v1::ApplyMonitorsResponse response;
  ASSERT_TRUE(Call(&Stub::ApplyMonitors, request, &response).ok());
  EXPECT_THAT(monitoring_.calls, ElementsAre("Apply dry prune by \"\""));
  EXPECT_EQ(monitoring_.applied[0].source, "web.yaml");
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).action(), v1::ApplyMonitorsResponse::ACTION_DELETED);
  EXPECT_EQ(response.results(1).action(), v1::ApplyMonitorsResponse::ACTION_CHANGED);
  EXPECT_EQ(response.results(1).diff(0), "spec.ports: 22 -> 23");

  monitoring_.error = InvalidArgument("web.yaml:3:5: spec.ports: no");
  const grpc::Status status = Call(&Stub::ApplyMonitors, request, &response);
  EXPECT_EQ(status.error_code(), kInvalid);
  EXPECT_EQ(status.error_message(), "web.yaml:3:5: spec.ports: no");
}

TEST_F(MonitorCalls, TooMuchIsRefusedBeforeItIsPassedOn) {
  v1::ApplyMonitorsResponse response;
  v1::ApplyMonitorsRequest request;
  for (int i = 0; i < 1'001; ++i) request.add_documents();
  EXPECT_EQ(Call(&Stub::ApplyMonitors, request, &response).error_code(), kInvalid);
  request.Clear();
  request.add_documents()->set_yaml(std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(Call(&Stub::ApplyMonitors, request, &response).error_code(), kInvalid);
  request.Clear();
  request.add_documents()->set_source(std::string(1'025, 'x'));
  EXPECT_EQ(Call(&Stub::ApplyMonitors, request, &response).error_code(), kInvalid);
  EXPECT_TRUE(monitoring_.calls.empty());
}

TEST_F(MonitorCalls, AMonitorIsShownWithAllThatIsKnownOfIt) {
  MonitorStatus& web = AddMonitor("web");
  web.spec.owner = "web-team";
  web.spec.labels = {{"team", "web"}};
  web.spec.schedule.at = std::chrono::minutes(10);
  web.yaml = "kind: Monitor\n";
  web.generation = 3;
  web.manager = "directory";
  web.plan.next_number = 18;
  web.plan.missed = 2;
  web.plan.pending = MonitorPlanState::Pending{RunTrigger::kManual, {}, {}};
  web.behind_s = 90;
  web.behind_text = "1m late";
  RunRecord run;
  run.number = 17;
  run.state = RunState::kPartial;
  run.trigger = RunTrigger::kCatchUp;
  run.message = "no agent";
  run.positions = 10;
  run.known = 7;
  web.runs = {run};
  web.vantages[0].canaries = CanaryState::kQuarantined;
  web.vantages[0].mass_change = "12000 closed";
  Canary canary;
  canary.subject = {TargetKey::FromString("www.example"), 443};
  canary.address = *IpAddress::Parse("10.0.0.9");
  web.vantages[0].chosen = {canary};
  v1::GetMonitorRequest request;
  request.set_name("web");
  v1::Monitor m;
  ASSERT_TRUE(Call(&Stub::GetMonitor, request, &m).ok());
  EXPECT_EQ(m.yaml(), "kind: Monitor\n");
  EXPECT_EQ(m.schedule(), "every 1h at 10m");
  EXPECT_EQ(m.manager(), "directory");
  EXPECT_EQ(m.waiting(), "manual");
  EXPECT_EQ(m.next_run(), 18u);
  EXPECT_EQ(m.missed_runs(), 2u);
  EXPECT_EQ(m.behind_reason(), "1m late");
  EXPECT_EQ(m.next_due_unix_us(), 0);
  EXPECT_EQ(m.labels().at("team"), "web");
  ASSERT_EQ(m.runs_size(), 1);
  EXPECT_EQ(m.runs(0).state(), v1::MonitorRun::STATE_PARTIAL);
  EXPECT_EQ(m.runs(0).trigger(), "catch-up");
  EXPECT_EQ(m.runs(0).finished_unix_us(), 0);
  ASSERT_EQ(m.vantages_size(), 1);
  EXPECT_EQ(m.vantages(0).canaries(), "quarantined");
  EXPECT_EQ(m.vantages(0).mass_change(), "12000 closed");
  EXPECT_EQ(m.vantages(0).chosen(0).target(), "www.example");
  EXPECT_EQ(m.vantages(0).chosen(0).address(), "10.0.0.9");
  EXPECT_EQ(m.no_data(), "");

  v1::ListMonitorsResponse list;
  AddMonitor("db");
  ASSERT_TRUE(Call(&Stub::ListMonitors, v1::ListMonitorsRequest(), &list).ok());
  ASSERT_EQ(list.monitors_size(), 2);
  EXPECT_EQ(list.monitors(0).name(), "db");
}

TEST_F(MonitorCalls, NoDataIsSaidUntilEachVantageIsCompleteAndWhenTwoRunsWereMissed) {
  const WallTime now = clock_.Wall();
  MonitorStatus& web = AddMonitor("web");
  EXPECT_EQ(NoDataReason(web, now), "");
  EXPECT_EQ(NoDataReason(web, now + std::chrono::minutes(30)), "");
  EXPECT_THAT(NoDataReason(web, now + std::chrono::hours(3)), HasSubstr("two more were due"));
  web.paused = true;
  EXPECT_THAT(NoDataReason(web, now + std::chrono::hours(3)), HasSubstr("paused"));
  web.vantages.push_back({});
  web.vantages[1].vantage = "cloud";
  EXPECT_THAT(NoDataReason(web, now), HasSubstr("vantage cloud"));
  web.vantages[1].last_complete = now - std::chrono::hours(30);  // quarantined all the day
  EXPECT_THAT(NoDataReason(web, now), AllOf(HasSubstr("vantage cloud"), HasSubstr("1d6h ago")));
  web.plan.last_success = {};
  EXPECT_EQ(NoDataReason(web, now), "no run of it has been complete yet");
}

TEST_F(MonitorCalls, OfCronTheScheduleItselfSaysWhenTwoRunsWereMissed) {
  MonitorStatus& web = AddMonitor("web");
  web.spec.schedule.every.reset();
  web.spec.schedule.cron = "0 6 * * mon";
  web.plan.last_success = FromUnixMicros(1'699'855'200'000'000);  // Monday 2023-11-13 06:00
  web.vantages.clear();
  const auto days = [&](int n) { return web.plan.last_success + std::chrono::hours(24 * n); };
  EXPECT_EQ(NoDataReason(web, days(13)), "");
  EXPECT_EQ(NoDataReason(web, days(14)), "") << "the second run is under way";
  EXPECT_NE(NoDataReason(web, days(15)), "");
  EXPECT_EQ(ScheduleText(web.spec.schedule), "cron 0 6 * * mon UTC");
}

TEST_F(MonitorCalls, EachVerbReachesItsMonitor) {
  AddMonitor("web");
  v1::Monitor m;
  v1::PauseMonitorRequest pause;
  pause.set_name("web");
  pause.set_undo(true);
  EXPECT_TRUE(Call(&Stub::PauseMonitor, pause, &m).ok());
  v1::RunMonitorRequest run;
  run.set_name("web");
  EXPECT_TRUE(Call(&Stub::RunMonitor, run, &m).ok());
  v1::AcceptNextRunRequest accept;
  accept.set_name("web");
  accept.set_vantage("office");
  EXPECT_TRUE(Call(&Stub::AcceptNextRun, accept, &m).ok());
  v1::DeleteMonitorRequest del;
  del.set_name("web");
  v1::DeleteMonitorResponse deleted;
  EXPECT_TRUE(Call(&Stub::DeleteMonitor, del, &deleted).ok());
  EXPECT_EQ(Call(&Stub::DeleteMonitor, del, &deleted).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(monitoring_.calls, ElementsAre("Pause web undo", "RunNow web", "Accept web office",
                                             "Delete web", "Delete web"));
}

TEST_F(MonitorCalls, NamesThatNoMonitorCanHaveAreRefusedWhereverTheyCome) {
  for (const std::string& name : {std::string(), std::string("Web"), std::string("a/b"),
                                  std::string("we\nb"), std::string(41, 'a')}) {
    v1::Monitor m;
    v1::GetMonitorRequest get;
    get.set_name(name);
    EXPECT_EQ(Call(&Stub::GetMonitor, get, &m).error_code(), kInvalid) << name;
    v1::DeleteMonitorRequest del;
    del.set_name(name);
    v1::DeleteMonitorResponse deleted;
    EXPECT_EQ(Call(&Stub::DeleteMonitor, del, &deleted).error_code(), kInvalid) << name;
    if (name.empty()) continue;
    v1::ListFindingsRequest findings;
    findings.set_monitor(name);
    v1::ListFindingsResponse found;
    EXPECT_EQ(Call(&Stub::ListFindings, findings, &found).error_code(), kInvalid) << name;
  }
  v1::AcceptNextRunRequest accept;
  accept.set_name("web");
  accept.set_vantage("a b");
  v1::Monitor m;
  EXPECT_EQ(Call(&Stub::AcceptNextRun, accept, &m).error_code(), kInvalid);
  EXPECT_TRUE(monitoring_.calls.empty());
}

TEST_F(MonitorCalls, ExposureIsAskedForAsWritten) {
  ExposureRow row;
  row.monitor = "web";
  row.subject = {TargetKey::FromString("10.0.0.1"), 22};
  row.comparison.exposure = ExposureClass::kOpenOnlyInside;
  row.comparison.barrier = ExposureBarrier::kNetwork;
  VantageSight in;
  in.vantage = "office";
  in.outcome = SubjectOutcome{
      {State::kOpen, Reason::kSynAck}, *IpAddress::Parse("10.0.0.1"), 420, clock_.Wall(), "a1"};
  in.since = clock_.Wall();
  in.expected = Expected::kNo;
  in.rule = "no-ssh";
  VantageSight out;
  out.vantage = "cloud";
  out.side = VantageRole::kOutside;
  row.sights = {in, out};
  monitoring_.exposure = {{row}, "next"};
  v1::ListExposureRequest request;
  request.set_monitor("web");
  request.add_targets("10.0.0.0/24");
  request.set_ports("22,http*");
  request.add_classes("open-only-inside");
  request.set_expected("no");
  v1::ListExposureResponse page;
  ASSERT_TRUE(Call(&Stub::ListExposure, request, &page).ok());
  EXPECT_EQ(monitoring_.exposure_query.limit, 500u);
  EXPECT_THAT(monitoring_.exposure_query.classes, ElementsAre(ExposureClass::kOpenOnlyInside));
  EXPECT_EQ(monitoring_.exposure_query.expected, Expected::kNo);
  EXPECT_EQ(page.next_page_token(), "next");
  ASSERT_EQ(page.exposures_size(), 1);
  const v1::Exposure& e = page.exposures(0);
  EXPECT_EQ(e.service(), "ssh");
  EXPECT_EQ(e.exposure_class(), "open-only-inside");
  EXPECT_EQ(e.barrier(), "network");
  EXPECT_EQ(e.states(0).state(), v1::PORT_STATE_OPEN);
  EXPECT_EQ(e.states(0).reason(), "syn-ack");
  EXPECT_EQ(e.states(0).expected(), "no");
  EXPECT_EQ(e.states(1).state(), v1::PORT_STATE_UNSPECIFIED);
  EXPECT_EQ(e.states(1).side(), "outside");

  const auto refuses = [&](auto change) {
    v1::ListExposureRequest bad;
    change(bad);
    return Call(&Stub::ListExposure, bad, &page).error_code() == kInvalid;
  };
  EXPECT_TRUE(refuses([](auto& r) { r.set_page_size(2'001); }));
  EXPECT_TRUE(refuses([](auto& r) { r.set_page_token(std::string(4'097, 'x')); }));
  EXPECT_TRUE(refuses([](auto& r) { r.set_ports("90-80"); }));
  EXPECT_TRUE(refuses([](auto& r) { r.set_expected("maybe"); }));
  EXPECT_TRUE(refuses([](auto& r) { r.add_classes("open-sometimes"); }));
  EXPECT_TRUE(refuses([](auto& r) { r.add_targets(""); }));
  EXPECT_TRUE(refuses([](auto& r) {
    for (int i = 0; i < 1'001; ++i) r.add_targets("10.0.0.1");
  }));
}

TEST_F(MonitorCalls, EventsAndFindingsComeWithEverything) {
  StoredEvent event = Event(9);
  event.event.sequence = 4;
  event.event.from = {State::kClosed, Reason::kConnRefused};
  TrailStep step;
  step.what = TrailStep::What::kProbe;
  step.vantage = "office";
  step.symbol = event.event.to;
  step.rtt_us = 5;
  event.event.trail = {step};
  monitoring_.Tell({event});
  v1::ListEventsResponse events;
  ASSERT_TRUE(Call(&Stub::ListEvents, v1::ListEventsRequest(), &events).ok());
  ASSERT_EQ(events.events_size(), 1);
  EXPECT_EQ(events.events(0).sequence(), 9u);
  EXPECT_EQ(events.events(0).monitor_sequence(), 4u);
  EXPECT_EQ(events.events(0).change(), "opened");
  EXPECT_EQ(events.events(0).from(), "closed/conn-refused");
  EXPECT_EQ(events.events(0).trail(0).what(), "probe");
  EXPECT_EQ(events.events(0).trail(0).seen(), "open/syn-ack");
  v1::ListEventsRequest bad;
  bad.set_since_unix_us(-1);
  EXPECT_EQ(Call(&Stub::ListEvents, bad, &events).error_code(), kInvalid);

  MonitorFinding finding;
  finding.monitor = "web";
  finding.finding.key = {FindingKind::kMustNotBeOpen, "no-ssh", "office",
                         TargetKey::FromString("10.0.0.1"), uint16_t{0}};
  finding.finding.severity = Severity::kHigh;
  monitoring_.findings.findings = {finding};
  monitoring_.findings.totals[{"web", "no-ssh"}] = 12'345;
  v1::ListFindingsRequest request;
  request.set_min_severity("high");
  v1::ListFindingsResponse findings;
  ASSERT_TRUE(Call(&Stub::ListFindings, request, &findings).ok());
  EXPECT_EQ(monitoring_.finding_query.min_severity, Severity::kHigh);
  EXPECT_EQ(findings.findings(0).severity(), "high");
  EXPECT_TRUE(findings.findings(0).has_port()) << "port 0 is one";
  EXPECT_EQ(findings.totals(0).total(), 12'345u);
  request.set_min_severity("terrible");
  EXPECT_EQ(Call(&Stub::ListFindings, request, &findings).error_code(), kInvalid);
  request.set_min_severity("");
  request.set_limit(10'001);
  EXPECT_EQ(Call(&Stub::ListFindings, request, &findings).error_code(), kInvalid);
}

TEST_F(MonitorCalls, AnExplanationNamesTheRulesWithOwnerAndReason) {
  MonitorStatus& web = AddMonitor("web");
  ExpectationRule rule;
  rule.name = "no-ssh";
  rule.owner = "platform";
  rule.reason = "use the jump host";
  web.spec.expectations = {rule};
  ExposureRow row;
  row.monitor = "web";
  row.subject = {TargetKey::FromString("10.0.0.1"), 22};
  VantageSight sight;
  sight.vantage = "cloud";
  sight.expected = Expected::kNo;
  sight.rule = "no-ssh";
  sight.outcome = SubjectOutcome{
      {State::kOpen, Reason::kSynAck}, *IpAddress::Parse("10.0.0.1"), 420, clock_.Wall(), "a1"};
  row.sights = {sight, sight};
  ExposureRow gone = row;
  gone.monitor = "deleted-meanwhile";
  monitoring_.explanation.subject = row.subject;
  monitoring_.explanation.rows = {row, gone};
  monitoring_.explanation.uncovered_by = {"db"};
  v1::ExplainRequest request;
  request.set_target("10.0.0.1");
  request.set_port(22);
  v1::ExplainResponse response;
  ASSERT_TRUE(Call(&Stub::Explain, request, &response).ok());
  EXPECT_EQ(response.service_class(), "remote-admin");
  EXPECT_THAT(response.service_text(), HasSubstr("controls the machine"));
  ASSERT_EQ(response.rules_size(), 1);
  EXPECT_EQ(response.rules(0).owner(), "platform");
  EXPECT_EQ(response.rules(0).reason(), "use the jump host");
  EXPECT_FALSE(response.rules(0).profile());
  EXPECT_EQ(response.exposures_size(), 2);
  EXPECT_EQ(response.uncovered_by(0), "db");
  EXPECT_THAT(response.next_steps(), Contains(HasSubstr("must not be open from cloud")));

  request.set_port(65'536);
  EXPECT_EQ(Call(&Stub::Explain, request, &response).error_code(), kInvalid);
  request.set_port(1);
  request.set_target(std::string(256, 'a'));
  EXPECT_EQ(Call(&Stub::Explain, request, &response).error_code(), kInvalid);
  request.set_target("");
  EXPECT_EQ(Call(&Stub::Explain, request, &response).error_code(), kInvalid);
}

TEST_F(MonitorCalls, DeadLettersAreListedSettledAndReceiversTested) {
  DeadLetter letter;
  letter.number = 5;
  letter.receiver = "oncall";
  letter.notification.id = "ev-1";
  letter.notification.text = "opened";
  letter.status = 400;
  letter.error = "refused";
  DeadLetter group = letter;
  group.number = 6;
  group.grouped = true;
  monitoring_.dead = {letter, group};
  v1::ListDeadLettersResponse list;
  ASSERT_TRUE(Call(&Stub::ListDeadLetters, v1::ListDeadLettersRequest(), &list).ok());
  EXPECT_EQ(list.dead_letters(0).number(), 5);
  EXPECT_EQ(list.dead_letters(0).http_status(), 400u);
  EXPECT_EQ(list.dead_letters(0).text(), "opened");
  EXPECT_EQ(list.dead_letters(0).kind(), "test");
  EXPECT_EQ(list.dead_letters(1).kind(), "group");
  v1::SettleDeadLettersRequest settle;
  settle.set_receiver("oncall");
  settle.set_number(5);
  settle.set_drop(true);
  v1::SettleDeadLettersResponse settled;
  ASSERT_TRUE(Call(&Stub::SettleDeadLetters, settle, &settled).ok());
  EXPECT_EQ(settled.settled(), 7u);
  v1::TestReceiverRequest test;
  test.set_receiver("oncall");
  v1::TestReceiverResponse tested;
  ASSERT_TRUE(Call(&Stub::TestReceiver, test, &tested).ok());
  EXPECT_EQ(tested.notification_id(), "test-1");
  EXPECT_THAT(monitoring_.calls,
              ElementsAre("ListDeadLetters ", "Settle oncall 5 drop", "Test oncall"));
  settle.set_number(-1);
  EXPECT_EQ(Call(&Stub::SettleDeadLetters, settle, &settled).error_code(), kInvalid);
  test.set_receiver("");
  EXPECT_EQ(Call(&Stub::TestReceiver, test, &tested).error_code(), kInvalid);
}

}  // namespace
}  // namespace portolan
