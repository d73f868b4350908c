#include <fmt/format.h>
#include <signal.h>

#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ScanVerbTest : public CliTest {};

TEST_F(ScanVerbTest, SendsWhatTheFlagsSay) {
  stdin_text = "10.3.0.0/24 # lab\n";
  const Result result = Remote({"scan",
                                "10.0.0.1,10.0.0.2",
                                "db.example:5432",
                                "-iL",
                                "-",
                                "-p",
                                "-100",
                                "--exclude",
                                "10.0.0-5.1,3-4,10.9.9.9",
                                "--exclude",
                                "10.8.0.0/16",
                                "--exclude-ports",
                                "22",
                                "--vantage",
                                "office,dmz",
                                "--each-vantage",
                                "--max-rate",
                                "5000",
                                "--timeout",
                                "500ms",
                                "--retries",
                                "0",
                                "--retry-delay",
                                "2s",
                                "--priority",
                                "high",
                                "--max-attempts",
                                "7",
                                "--lane-timeout",
                                "1h",
                                "--retention",
                                "7d",
                                "--name",
                                "weekly",
                                "--seed",
                                "0xff",
                                "--request-id",
                                "r1"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(service.created.size(), 1u);
  const v1::CreateScanRequest& request = service.created[0];
  const v1::ScanRequestSpec& spec = request.spec();
  EXPECT_EQ(request.request_id(), "r1");
  // As they were written: one syntax of lists holds at both ends.
  EXPECT_THAT(spec.targets(), ElementsAre("10.0.0.1,10.0.0.2", "db.example:5432", "10.3.0.0/24"));
  EXPECT_EQ(spec.ports(), "-100");
  EXPECT_THAT(spec.exclude(), ElementsAre("10.0.0-5.1,3-4,10.9.9.9", "10.8.0.0/16"));
  EXPECT_EQ(spec.exclude_ports(), "22");
  EXPECT_THAT(spec.vantages(), ElementsAre("office", "dmz"));
  EXPECT_EQ(spec.mode(), v1::SCAN_MODE_EACH_VANTAGE);
  EXPECT_EQ(spec.max_rate(), 5000);
  EXPECT_EQ(spec.timing().timeout_ms(), 500u);
  EXPECT_TRUE(spec.timing().has_retries());
  EXPECT_EQ(spec.timing().retries(), 0u);
  EXPECT_EQ(spec.timing().retry_delay_ms(), 2000u);
  EXPECT_EQ(spec.priority(), v1::PRIORITY_HIGH);
  EXPECT_EQ(spec.max_attempts(), 7u);
  EXPECT_EQ(spec.lane_timeout_s(), 3600u);
  EXPECT_EQ(spec.retention_s(), 7u * 86400);
  EXPECT_FALSE(spec.allow_long());
  EXPECT_EQ(spec.name(), "weekly");
  EXPECT_EQ(spec.seed(), 255u);
}

TEST_F(ScanVerbTest, DefaultsLeaveTheCoordinatorItsOwn) {
  const Result result = Remote({"scan", "10.0.0.1"});
  EXPECT_EQ(result.code, 0) << result.err;
  const v1::ScanRequestSpec& spec = service.created.at(0).spec();
  EXPECT_EQ(spec.ports(), "top-100");
  EXPECT_THAT(result.err, HasSubstr("top-100"));
  EXPECT_EQ(spec.mode(), v1::SCAN_MODE_SPLIT);
  EXPECT_FALSE(spec.has_timing());
  EXPECT_EQ(spec.seed(), 0u);
  EXPECT_EQ(service.created[0].request_id().size(), 32u);
}

TEST_F(ScanVerbTest, TargetsWithPortsNeedNoOthers) {
  EXPECT_EQ(Remote({"scan", "10.0.0.1:80", "[2001:db8::1]:443"}).code, 0);
  EXPECT_EQ(service.created.at(0).spec().ports(), "");
}

TEST_F(ScanVerbTest, ATargetMayBeNamedLikeAVerbOrInBrackets) {
  EXPECT_EQ(Remote({"scan", "version", "scans", "-p", "1", "2001:db8::/120"}).code, 0);
  EXPECT_THAT(service.created.at(0).spec().targets(),
              ElementsAre("version", "scans", "2001:db8::/120"));
}

TEST_F(ScanVerbTest, DetachPrintsTheIdAlone) {
  const Result text = Remote({"scan", "10.0.0.1", "-p", "1", "--detach"});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.out, "new\n");
  const Result json = Remote({"scan", "10.0.0.1", "-p", "1", "--detach", "--json"});
  EXPECT_EQ(json.out, "{\"type\":\"created\",\"scan_id\":\"new\",\"planned\":0}\n");
}

TEST_F(ScanVerbTest, WaitsThenPrintsAndExitsAsTheScanEnded) {
  Observe("10.0.0.1", 22);
  AddScan("new", v1::SCAN_STATE_PARTIAL).mutable_ledger()->set_open(1);
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1-10", "--json"});
  EXPECT_EQ(result.code, 3);
  const auto lines = result.Lines();
  ASSERT_EQ(lines.size(), 2u) << result.out << result.err;
  EXPECT_THAT(lines[0], HasSubstr(R"("ip":"10.0.0.1","port":22)"));
  EXPECT_THAT(lines[1], testing::StartsWith(
                            R"({"type":"summary","scan_id":"new","name":null,"state":"partial")"));
}

TEST_F(ScanVerbTest, SaysAtOnceThatNoAgentTakesTheWork) {
  AddLiveAgent("office");
  service.agents.emplace_back().set_vantage("dmz");  // away
  const Result none = Remote({"scan", "10.0.0.1", "-p", "1", "--vantage", "dmz", "--detach",
                              "--lane-timeout", "5m", "--wait-for-agents"});
  EXPECT_EQ(none.code, 0);
  EXPECT_TRUE(service.created.back().spec().wait_for_agents());
  EXPECT_THAT(none.err,
              HasSubstr("no agent of vantage \"dmz\" takes work now: scan new waits 5m00s "
                        "for one (--lane-timeout); vantages with a live agent: office"));
  EXPECT_EQ(none.out, "new\n");
  const Result some = Remote({"scan", "10.0.0.1", "-p", "1", "--vantage", "office", "--detach"});
  EXPECT_THAT(some.err, Not(HasSubstr("takes work now")));
  EXPECT_FALSE(service.created.back().spec().wait_for_agents());
  service.agents.clear();
  EXPECT_THAT(Remote({"scan", "10.0.0.1", "-p", "1", "--detach"}).err,
              HasSubstr("no agent takes work now"));
}

TEST_F(ScanVerbTest, WhatHoldsAScanUpIsSaidWithoutATerminalToo) {
  AddLiveAgent("dmz");
  v1::Scan& scan = AddScan("new", v1::SCAN_STATE_RUNNING);
  scan.set_status_message("no agent of vantage \"dmz\" since 14:03:05Z");
  v1::Scan end = scan;
  end.set_state(v1::SCAN_STATE_PARTIAL);
  service.watch_script.push_back({{scan, scan, end}, grpc::Status::OK, nullptr});
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1"});
  const std::string note = "scan new: no agent of vantage \"dmz\" since 14:03:05Z\n";
  EXPECT_THAT(result.err, HasSubstr(note));
  EXPECT_EQ(result.err.find(note), result.err.rfind(note)) << "once";
}

TEST_F(ScanVerbTest, SaysWhatLimitedTheAgentsThatWorkedForIt) {
  v1::Scan& scan = AddScan("new", v1::SCAN_STATE_COMPLETE);
  scan.set_started_unix_us(1'000'000);
  scan.add_lanes()->set_vantage("dmz");
  const auto add = [this](const char* name, const char* vantage, int64_t seen, const char* limit) {
    v1::Agent a;
    a.set_name(name);
    a.set_vantage(vantage);
    a.set_last_seen_unix_us(seen);
    a.set_limited_by(limit);
    service.agents.push_back(a);
  };
  add("dmz-1", "dmz", 2'000'000, "file limit 1024 caps probes in flight at 960: raise LimitNOFILE");
  add("dmz-2", "dmz", 2'000'000, "");
  add("dmz-3", "dmz", 500'000, "gone before");
  add("lan-1", "lan", 2'000'000, "not asked");
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1-10", "--json"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("agent dmz-1: file limit 1024 caps probes in flight at 960: "
                                    "raise LimitNOFILE\n"));
  EXPECT_THAT(result.err, Not(HasSubstr("dmz-2")));
  EXPECT_THAT(result.err, Not(HasSubstr("gone before")));
  EXPECT_THAT(result.err, Not(HasSubstr("not asked")));
  EXPECT_THAT(result.out, Not(HasSubstr("limit"))) << "beside the results";
}

TEST_F(ScanVerbTest, ScopeAndBadInputAreUsageErrorsOthersAreFailures) {
  service.errors["CreateScan"] =
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                   "8.8.8.8: public address; allow it with --allow 8.8.8.8");
  const Result scope = Remote({"scan", "8.8.8.8", "-p", "53"});
  EXPECT_EQ(scope.code, 2);
  EXPECT_THAT(scope.err, HasSubstr("--allow 8.8.8.8"));
  service.errors["CreateScan"] =
      grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no agent of vantage \"x\"");
  EXPECT_EQ(Remote({"scan", "10.0.0.1", "-p", "53"}).code, 2);
  service.errors["CreateScan"] = grpc::Status(grpc::StatusCode::UNAVAILABLE, "failed to connect");
  const Result away = Remote({"scan", "10.0.0.1", "-p", "53"});
  EXPECT_EQ(away.code, 1);
  EXPECT_THAT(away.err, HasSubstr("127.0.0.1:4460"));
  EXPECT_EQ(waited, Duration::zero()) << "a wrong address is told at once";
}

// An option without its value takes the word that follows.
TEST_F(ScanVerbTest, AnOptionThatTookTheTargetIsNamed) {
  const auto refusal = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "scan");
    const Result result = Remote(args);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(service.calls, testing::IsEmpty());
    return result.err;
  };
  for (const char* target : {"127.0.0.1", "10.0.0.0/24", "host.name", "host", "2001:db8::1",
                             "10.0.0.1-9", "host.name:22"}) {
    EXPECT_THAT(refusal({"-p", target}),
                HasSubstr(fmt::format("-p \"{0}\": -p took the target as its ports; write -p PORTS "
                                      "{0}, or leave -p out",
                                      target)));
    EXPECT_THAT(refusal({"--exclude-ports", target}),
                HasSubstr("--exclude-ports took the target as its ports"));
    EXPECT_THAT(refusal({"-p", "22", "--exclude", target}),
                HasSubstr(fmt::format("no target: --exclude took \"{}\" as its TARGETS", target)));
  }
  for (const char* flag : {"--vantage", "--name", "--request-id", "--exclude-file"}) {
    EXPECT_THAT(refusal({"-p", "22", flag, "127.0.0.1"}), HasSubstr(fmt::format("{} ", flag)))
        << flag;
  }
  EXPECT_THAT(refusal({"-p", "22", "--name", "127.0.0.1"}),
              HasSubstr("no target: --name took \"127.0.0.1\" as its TEXT"));
  EXPECT_THAT(refusal({"-iL", "127.0.0.1"}), HasSubstr("-iL reads a file"));
  EXPECT_THAT(refusal({"--exclude-file", "127.0.0.1", "127.0.0.2"}),
              HasSubstr("--exclude-file reads a file"));
  EXPECT_THAT(refusal({"-iL", "/no/such.txt"}), testing::Not(HasSubstr("reads a file")));
  // A misspelt service beside a target is one, and what is no target at all was not taken for one.
  EXPECT_THAT(refusal({"-p", "htp", "127.0.0.1"}), testing::Not(HasSubstr("took")));
  EXPECT_THAT(refusal({"-p", "99999"}), testing::Not(HasSubstr("took")));
  EXPECT_THAT(refusal({"-p", "22", "--name", "weekly"}), HasSubstr("name addresses, networks"));
}

TEST_F(ScanVerbTest, RidesOutARestart) {
  v1::Scan running;
  running.set_id("new");
  running.set_state(v1::SCAN_STATE_RUNNING);
  const grpc::Status away(grpc::StatusCode::UNAVAILABLE, "connection refused");
  service.watch_script = {{{running}, away, {}},
                          {{}, away, {}},
                          {{}, grpc::Status(grpc::StatusCode::CANCELLED, "shut down"), {}},
                          {{running}, grpc::Status::OK, {}}};
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("trying again for 5m00s"));
  EXPECT_THAT(result.err, HasSubstr("answers again"));
  EXPECT_TRUE(service.watch_script.empty());
}

TEST_F(ScanVerbTest, GivesUpOnACoordinatorThatStaysAway) {
  for (int i = 0; i < 1000; ++i)
    service.watch_script.push_back(
        {{}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused"), {}});
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1", "--reconnect-timeout", "1m"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("gave up after 1m00s"));
  EXPECT_EQ(waited, std::chrono::minutes(1));
  EXPECT_GT(service.watch_script.size(), 980u) << "the waits grow";
}

TEST_F(ScanVerbTest, ABrokenStreamOfResultsGoesOnBehindTheLastPage) {
  for (uint16_t port = 1; port <= 9; ++port) Observe("10.0.0.1", port);
  service.break_stream_after_pages = 2;
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1-9", "--csv"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto lines = result.Lines();
  ASSERT_EQ(lines.size(), 10u);
  for (uint16_t port = 1; port <= 9; ++port)
    EXPECT_THAT(lines[port], HasSubstr("10.0.0.1,," + std::to_string(port) + ",tcp"));
  EXPECT_THAT(result.err, HasSubstr("planned"));
}

TEST_F(ScanVerbTest, AnInterruptLeavesARemoteScanRunningAndSaysHowToGoOn) {
  v1::Scan running;
  running.set_id("new");
  running.set_state(v1::SCAN_STATE_RUNNING);
  service.watch_script = {
      {{running}, grpc::Status::OK, [this] { interrupts.Deliver(SIGINT); }, true}};
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1"});
  EXPECT_EQ(result.code, 130);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("portolan scans watch new"));
  EXPECT_THAT(result.err, HasSubstr("portolan scans cancel new"));
  EXPECT_THAT(service.calls, Not(testing::Contains("PauseScan new")));
  EXPECT_EQ(at_once, 0);
}

TEST_F(ScanVerbTest, TerminationIs143) {
  for (int i = 0; i < 10; ++i)
    service.watch_script.push_back({{}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"), {}});
  on_wait = [this] { interrupts.Deliver(SIGTERM); };
  EXPECT_EQ(Remote({"scan", "10.0.0.1", "-p", "1"}).code, 143);
}

TEST_F(ScanVerbTest, ProgressGoesToATerminalOnStderrOnly) {
  v1::Scan running;
  running.set_id("new");
  running.set_state(v1::SCAN_STATE_RUNNING);
  running.mutable_ledger()->set_planned(100);
  running.mutable_ledger()->set_closed(50);
  service.watch_script = {{{running}, grpc::Status::OK, {}}, {{running}, grpc::Status::OK, {}}};
  EXPECT_THAT(Remote({"scan", "10.0.0.1", "-p", "1"}).err, Not(HasSubstr("50.0%")));
  service.watch_script = {{{running}, grpc::Status::OK, {}}, {{running}, grpc::Status::OK, {}}};
  err_is_terminal = true;
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1", "--json"});
  EXPECT_THAT(result.err, HasSubstr("new  50.0%"));
  EXPECT_THAT(result.out, Not(HasSubstr("%")));
  EXPECT_EQ(result.out.find('\r'), std::string::npos);
}

TEST_F(ScanVerbTest, ClosedAndFullOutputsEndDifferently) {
  class Broken : public Output {
   public:
    explicit Broken(absl::Status status) : status_(std::move(status)) {}
    absl::Status Write(std::string_view) override { return status_; }
    absl::Status Flush() override { return status_; }
    absl::Status Close() override { return status_; }

   private:
    absl::Status status_;
  };
  Observe("10.0.0.1", 1);
  AddLiveAgent("dmz");
  Broken pipe(absl::CancelledError("reader gone")),
      full(absl::ResourceExhaustedError("No space left on device"));
  output = &pipe;
  const Result quiet = Remote({"scan", "10.0.0.1", "-p", "1", "--json"});
  EXPECT_EQ(quiet.code, 141);
  EXPECT_EQ(quiet.err, "");
  output = &full;
  const Result failed = Remote({"scan", "10.0.0.1", "-p", "1", "--json"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.err, HasSubstr("No space left"));
}

TEST_F(ScanVerbTest, ALengthOfTimeWithoutAUnitIsRefusedWithWhatItMayMean) {
  const Result result = Remote({"scan", "10.0.0.1", "-p", "1", "--retention", "30"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--retention: duration \"30\" has no unit; write 30s, 30m"));
  EXPECT_TRUE(service.created.empty());
  const Result range = Remote({"scan", "10.0.0.1", "-p", "1", "--timeout", "30ms"});
  EXPECT_THAT(range.err, HasSubstr("--timeout: 30ms is not between 50ms and 1m"));
  // Zero of anything is nothing.
  EXPECT_EQ(Remote({"scan", "10.0.0.1", "-p", "1", "--retry-delay", "0"}).code, 0);
  EXPECT_TRUE(service.created.at(0).spec().timing().has_retry_delay_ms());
}

TEST_F(ScanVerbTest, YesAllowsAScanOfMoreThanAYear) {
  EXPECT_EQ(Remote({"scan", "2001:db8::/66", "-p", "1", "--yes"}).code, 0);
  EXPECT_TRUE(service.created.at(0).spec().allow_long());
  service.errors["CreateScan"] =
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "146 million years");
  const Result result = Remote({"scan", "2001:db8::/66", "-p", "1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("146 million years"));
}

}  // namespace
}  // namespace portolan
