#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ScansVerbTest : public CliTest {};

TEST_F(ScansVerbTest, ListsAllPages) {
  for (const char* id : {"aaa", "bbb", "ccc", "ddd", "eee"})
    AddScan(id, v1::SCAN_STATE_COMPLETE).mutable_ledger()->set_closed(10);
  service.scans["ccc"].mutable_spec()->set_name(
      "we\x1b"
      "ekly");
  const Result table = Remote({"scans"});
  EXPECT_EQ(table.code, 0);
  EXPECT_EQ(table.Lines().size(), 6u);
  EXPECT_THAT(table.out, HasSubstr("ccc  we\\x1bekly  complete"));
  EXPECT_EQ(Remote({"scans", "list", "--json"}).Lines().size(), 5u);
  const Result some = Remote({"scans", "list", "--json", "--limit", "3"});
  EXPECT_EQ(some.Lines().size(), 3u);
  EXPECT_THAT(some.err, HasSubstr("--limit"));
}

TEST_F(ScansVerbTest, ShowsEverything) {
  v1::Scan& scan = AddScan("abc", v1::SCAN_STATE_PARTIAL);
  scan.mutable_spec()->add_targets("10.0.0.0/24");
  scan.mutable_spec()->set_ports("22,80");
  scan.mutable_spec()->add_vantages("dmz");
  scan.mutable_spec()->set_seed(UINT64_MAX);
  scan.mutable_ledger()->set_not_probed_attempts(4);
  scan.set_addresses(256);
  scan.set_status_message("no agent of vantage \"dmz\" since 14:03:05");
  scan.set_overlay_version(2);
  scan.add_overlay("10.0.0.9");
  AddLane(scan, 7, "dmz");
  v1::MissingRange* missing = scan.mutable_lanes(0)->add_missing();
  missing->mutable_range()->set_begin(6);
  missing->mutable_range()->set_end(10);
  missing->set_cause("attempts");
  missing->set_example("10.0.0.1:80");
  const Result text = Remote({"scans", "show", "last"});
  EXPECT_EQ(text.code, 0);
  for (const char* part : {"10.0.0.0/24 (256 addresses)", "22,80", "lane 7 from dmz",
                           "missing: positions 6 to 9 (4), attempts, among them 10.0.0.1:80",
                           "10.0.0.9", "no agent of vantage", "planned 10 = open 0",
                           "not probed 4 (attempts 4)", "18446744073709551615"}) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  const Result json = Remote({"scans", "show", "abc", "--json"});
  EXPECT_EQ(json.Lines().size(), 1u);
  EXPECT_THAT(
      json.out,
      HasSubstr(R"("missing":[{"begin":6,"end":10,"cause":"attempts","example":"10.0.0.1:80"}])"));
  EXPECT_THAT(json.out, HasSubstr(R"("seed":"18446744073709551615")"));
}

TEST_F(ScansVerbTest, WatchExitsAsTheScanEnds) {
  AddScan("abc", v1::SCAN_STATE_RUNNING);
  v1::Scan cancelled = service.scans["abc"];
  cancelled.set_state(v1::SCAN_STATE_CANCELLED);
  service.watch_script = {{{service.scans["abc"], cancelled}, grpc::Status::OK, {}}};
  const Result text = Remote({"scans", "watch", "last"});
  EXPECT_EQ(text.code, 3);
  EXPECT_THAT(text.out, HasSubstr("scan abc: cancelled"));
  EXPECT_THAT(service.calls, testing::Contains("WatchScan abc")) << "last is looked up once";
  service.watch_script = {{{service.scans["abc"], cancelled}, grpc::Status::OK, {}}};
  const auto lines = Remote({"scans", "watch", "abc", "--json"}).Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr(R"({"type":"scan","scan_id":"abc")"));
  EXPECT_THAT(lines[2], HasSubstr(R"("type":"summary")"));
}

TEST_F(ScansVerbTest, PausesResumesCancelsAndExcludes) {
  AddScan("abc", v1::SCAN_STATE_RUNNING);
  EXPECT_THAT(Remote({"scans", "pause", "abc"}).err, HasSubstr("abc is paused"));
  EXPECT_THAT(Remote({"scans", "resume", "abc", "--json"}).out, HasSubstr(R"("state":"running")"));
  const Result exclude =
      Remote({"scans", "exclude", "abc", "10.0.0.0/24", "10.0.1.7 22,80", "--json"});
  EXPECT_EQ(exclude.code, 0);
  EXPECT_THAT(exclude.out, HasSubstr(R"("overlay_version":2)"));
  EXPECT_THAT(service.excluded, ElementsAre("10.0.0.0/24", "10.0.1.7 22,80"));
  EXPECT_EQ(Remote({"scans", "exclude", "abc", "10.0.0.0/99"}).code, 2);
  EXPECT_THAT(Remote({"scans", "cancel", "abc"}).err, HasSubstr("abc is cancelling"));
}

TEST_F(ScansVerbTest, ResumeWithWaitPrintsTheRecord) {
  AddScan("abc", v1::SCAN_STATE_PAUSED);
  v1::Scan done = service.scans["abc"];
  done.set_state(v1::SCAN_STATE_COMPLETE);
  service.watch_script = {{{done}, grpc::Status::OK, {}}};
  Observe("10.0.0.1", 22);
  const Result result = Remote({"scans", "resume", "abc", "--wait"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("22/tcp"));
}

TEST_F(ScansVerbTest, RemovesSeveralLookingAllUpFirst) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  AddScan("def", v1::SCAN_STATE_COMPLETE);
  EXPECT_EQ(Remote({"scans", "rm", "abc", "nope"}).code, 1);
  EXPECT_EQ(service.scans.size(), 2u);
  EXPECT_EQ(Remote({"scans", "rm", "last", "abc"}).code, 0);
  EXPECT_TRUE(service.scans.empty());
}

TEST_F(ScansVerbTest, AnUnknownScanFailsAndIsNamed) {
  const Result result = Remote({"scans", "show", "nope"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("\"nope\""));
}

TEST_F(ScansVerbTest, ShowTellsOfHostsThatAnswerEverywhere) {
  v1::Scan& scan = AddScan("abc", v1::SCAN_STATE_COMPLETE);
  scan.mutable_ledger()->set_open(7305);
  for (int i = 0; i < 3; ++i) {
    v1::HostFindingRow row;
    row.mutable_finding()->set_kind(v1::HOST_FINDING_KIND_ANSWERS_EVERYWHERE);
    row.mutable_finding()->set_address(std::string("\x0a\0\0", 3) + static_cast<char>(i));
    row.mutable_finding()->add_confirmed()->set_port(50000);
    row.set_open_ports(2404);
    service.findings.push_back(row);
  }
  EXPECT_THAT(Remote({"scans", "show", "abc"}).out,
              HasSubstr("open 7,305 (of which 7,212 on 3 hosts that answer everywhere) + closed"));
  EXPECT_THAT(Remote({"scans", "show", "abc", "--json"}).out,
              HasSubstr(R"("hosts":{"answer_everywhere":3,"open_there":7212,)"));
}

}  // namespace
}  // namespace portolan
