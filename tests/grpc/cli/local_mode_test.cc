#include <signal.h>

#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class LocalModeTest : public CliTest {};

TEST_F(LocalModeTest, AScanRunsACoordinatorAndAnAgentAndStopsThem) {
  Observe("127.0.0.1", 22);
  const Result result =
      Run({"scan", "127.0.0.1", "-p-", "--data", "/tmp/x", "--engine-threads", "2", "--engine",
           "epoll", "--allow", "8.8.8.8", "--deny", "10.0.0.0/8"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("22/tcp"));
  EXPECT_THAT(result.out, Not(HasSubstr("VANTAGE")));
  EXPECT_THAT(local_log, ElementsAre("start", "agent", "stop", "gone"));
  EXPECT_EQ(local_options.data_directory, "/tmp/x");
  EXPECT_EQ(local_options.engine_threads, 2);
  EXPECT_EQ(local_options.engine, "epoll");
  EXPECT_TRUE(local_options.scope.Allows(*IpAddress::Parse("8.8.8.8"), 22));
  EXPECT_FALSE(local_options.scope.Allows(*IpAddress::Parse("10.0.0.1"), 22));
  EXPECT_EQ(dialled, "");
}

TEST_F(LocalModeTest, KeepsItsScansWhereXdgSays) {
  EXPECT_EQ(Run({"scan", "127.0.0.1", "-p1"}).code, 0);
  EXPECT_EQ(local_options.data_directory, "/nonexistent/.local/state/portolan");
  variables["XDG_STATE_HOME"] = "relative";
  EXPECT_EQ(Run({"scan", "127.0.0.1", "-p1"}).code, 0);
  EXPECT_EQ(local_options.data_directory, "/nonexistent/.local/state/portolan")
      << "a relative path is to be ignored";
  variables["XDG_STATE_HOME"] = "/state";
  EXPECT_EQ(Run({"scan", "127.0.0.1", "-p1"}).code, 0);
  EXPECT_EQ(local_options.data_directory, "/state/portolan");
  variables["PORTOLAN_DATA"] = "/data";
  EXPECT_EQ(Run({"scan", "127.0.0.1", "-p1"}).code, 0);
  EXPECT_EQ(local_options.data_directory, "/data");
  variables.clear();
  EXPECT_EQ(Run({"scan", "127.0.0.1", "-p1"}).code, 2);
}

TEST_F(LocalModeTest, WhatAnEarlierRunLeftIsPausedBeforeTheAgentStarts) {
  AddScan("aaa", v1::SCAN_STATE_RUNNING);
  AddScan("bbb", v1::SCAN_STATE_COMPLETE);
  AddScan("ccc", v1::SCAN_STATE_PAUSED);
  AddScan("ddd", v1::SCAN_STATE_RUNNING);
  const Result result = Run({"scan", "127.0.0.1", "-p1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(service.calls, Contains("PauseScan aaa"));
  EXPECT_THAT(service.calls, Contains("PauseScan ddd"));
  EXPECT_THAT(service.calls, Not(Contains("PauseScan ccc")));
  EXPECT_THAT(result.err, HasSubstr("portolan scans resume aaa --wait"));
}

TEST_F(LocalModeTest, ResumeRunsAnAgentAndPausesOthersOnly) {
  AddScan("aaa", v1::SCAN_STATE_RUNNING);
  AddScan("bbb", v1::SCAN_STATE_PAUSED);
  v1::Scan done = service.scans["bbb"];
  done.set_state(v1::SCAN_STATE_COMPLETE);
  service.watch_script = {{{done}, grpc::Status::OK, {}}};
  const Result result = Run({"scans", "resume", "bbb", "--data", "/"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(local_log, ElementsAre("start", "agent", "stop", "gone"));
  EXPECT_THAT(service.calls, Contains("PauseScan aaa"));
  EXPECT_THAT(service.calls, Contains("ResumeScan bbb"));
}

TEST_F(LocalModeTest, AnInterruptPausesTheScanAndSaysHowToGoOn) {
  v1::Scan running;
  running.set_id("new");
  running.set_state(v1::SCAN_STATE_RUNNING);
  service.watch_script = {
      {{running}, grpc::Status::OK, [this] { interrupts.Deliver(SIGINT); }, true}};
  const Result result = Run({"scan", "127.0.0.1", "-p1"});
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(service.calls, Contains("PauseScan new"));
  EXPECT_THAT(result.err, HasSubstr("portolan scans resume new --wait"));
  EXPECT_THAT(local_log, ElementsAre("start", "agent", "stop", "gone"));
}

TEST_F(LocalModeTest, TheCommandsThatItPrintsReachTheSameScans) {
  v1::Scan running;
  running.set_id("new");
  running.set_state(v1::SCAN_STATE_RUNNING);
  service.watch_script = {
      {{running}, grpc::Status::OK, [this] { interrupts.Deliver(SIGINT); }, true}};
  variables["PORTOLAN_COORDINATOR"] = "scan.example:7411";
  const Result result = Run({"scan", "192.88.99.1", "-p1", "--local", "--data", "/tmp/my scans",
                             "--allow", "192.88.99.1 80,443"});
  EXPECT_THAT(result.err, HasSubstr("portolan scans resume new --wait --local "
                                    "--data '/tmp/my scans' --allow '192.88.99.1 80,443'\n"));
  EXPECT_THAT(result.err, HasSubstr("portolan results new --local --data '/tmp/my scans'\n"));
}

TEST_F(LocalModeTest, DataFromTheEnvironmentIsInThemToo) {
  AddScan("aaa", v1::SCAN_STATE_RUNNING);
  variables["PORTOLAN_DATA"] = "/data";
  const Result result = Run({"scan", "127.0.0.1", "-p1"});
  EXPECT_THAT(result.err, HasSubstr("portolan scans resume aaa --wait --data /data\n"));
  variables.erase("PORTOLAN_DATA");
  AddScan("bbb", v1::SCAN_STATE_RUNNING);
  EXPECT_THAT(Run({"scan", "127.0.0.1", "-p1"}).err,
              HasSubstr("portolan scans resume bbb --wait\n"));
}

TEST_F(LocalModeTest, BlamesNoCoordinatorThatIsNotThere) {
  for (const auto code : {grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::UNKNOWN,
                          grpc::StatusCode::CANCELLED, grpc::StatusCode::UNIMPLEMENTED}) {
    service.errors["CreateScan"] = grpc::Status(code, "why");
    const Result result = Run({"scan", "127.0.0.1", "-p1"});
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("why"));
    EXPECT_THAT(result.err, Not(HasSubstr("coordinator"))) << code;
  }
  service.errors["CreateScan"] = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "why");
  EXPECT_THAT(Remote({"scan", "127.0.0.1", "-p1"}).err,
              HasSubstr("the coordinator did not answer"));
}

TEST_F(LocalModeTest, ReadsTheHistoryWithoutAnAgent) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  EXPECT_EQ(Run({"results", "last", "--data", "/"}).code, 0);
  EXPECT_EQ(Run({"scans", "--data", "/"}).code, 0);
  EXPECT_THAT(local_log, Not(Contains("agent")));
}

TEST_F(LocalModeTest, ReadingWhatNeverWasCreatesNothing) {
  const Result list = Run({"scans", "list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_EQ(list.out, "");
  EXPECT_THAT(list.err, HasSubstr("no scans yet"));
  EXPECT_EQ(Run({"results", "last"}).code, 1);
  EXPECT_TRUE(local_log.empty());
}

TEST_F(LocalModeTest, AFatalAgentEndsTheWait) {
  agent_fatal = absl::PermissionDeniedError("superseded");
  const Result result = Run({"scan", "127.0.0.1", "-p1"});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("superseded"));
}

TEST_F(LocalModeTest, ScopeFlagsBelongToTheCoordinatorWhenThereIsOne) {
  for (const char* flag :
       {"--allow=10.0.0.0/8", "--deny=10.0.0.0/8", "--engine-threads=1", "--engine=epoll"}) {
    const Result result = Remote({"scan", "127.0.0.1", "-p1", flag});
    EXPECT_EQ(result.code, 2) << flag;
    EXPECT_THAT(result.err, HasSubstr("coordinator")) << flag;
  }
  const Result bad = Run({"scan", "127.0.0.1", "-p1", "--allow", "10.0.0.0/99"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("--allow"));
}

TEST_F(LocalModeTest, AStoreThatIsTakenFailsWithItsRemedy) {
  local_error = absl::FailedPreconditionError("taken: give --data");
  const Result result = Run({"scan", "127.0.0.1", "-p1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("--data"));
}

// Nobody started a coordinator: what goes wrong is not its fault.
TEST_F(LocalModeTest, NoTextBlamesACoordinatorThatIsNotThere) {
  using grpc::StatusCode;
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  for (const StatusCode code :
       {StatusCode::UNAVAILABLE, StatusCode::DEADLINE_EXCEEDED, StatusCode::UNIMPLEMENTED,
        StatusCode::UNKNOWN, StatusCode::CANCELLED, StatusCode::INTERNAL,
        StatusCode::RESOURCE_EXHAUSTED}) {
    for (const char* method : {"CreateScan", "WatchScan", "GetScan", "StreamObservations",
                               "ListHostFindings", "ListScans", "PauseScan"}) {
      service.errors[method] = grpc::Status(code, "it went wrong");
      const std::vector<std::vector<std::string>> commands = {
          {"scan", "127.0.0.1", "-p1", "--local", "--reconnect-timeout", "1s"},
          {"results", "abc", "--local", "--data", "/"},
          {"scans", "--local", "--data", "/"},
          {"scans", "pause", "abc", "--local", "--data", "/"}};
      for (const auto& command : commands) {
        const Result result = Run(command);
        EXPECT_THAT(result.err, Not(HasSubstr("coordinator"))) << method << " " << code;
      }
      service.errors.clear();
    }
  }
}

TEST_F(LocalModeTest, AWatchOfWhatNobodyRunsDoesNotHang) {
  AddScan("abc", v1::SCAN_STATE_PAUSED);
  const Result result = Run({"scans", "watch", "abc", "--data", "/"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("scans resume abc"));
}

}  // namespace
}  // namespace portolan
