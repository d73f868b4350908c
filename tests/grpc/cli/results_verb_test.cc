#include <cstdio>
#include <fstream>

#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ResultsVerbTest : public CliTest {};

TEST_F(ResultsVerbTest, SendsTheFilters) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  const Result result =
      Remote({"results", "last", "10.0.0.1,10.0.0.2", "--target", "10.1.0.0/16", "-p", "1-1024",
              "--vantage", "a,b", "--show", "open,filtered", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const v1::ListObservationsRequest& request = service.listed.at(0);
  EXPECT_EQ(request.scan_id(), "abc") << "last is looked up once";
  EXPECT_THAT(request.targets(), ElementsAre("10.0.0.1", "10.0.0.2", "10.1.0.0/16"));
  EXPECT_EQ(request.ports(), "1-1024");
  EXPECT_THAT(request.vantages(), ElementsAre("a", "b"));
  EXPECT_THAT(request.states(), ElementsAre(v1::PORT_STATE_OPEN, v1::PORT_STATE_FILTERED));
}

TEST_F(ResultsVerbTest, PrintingARecordSucceedsHoweverTheScanEnded) {
  AddScan("abc", v1::SCAN_STATE_PARTIAL);
  EXPECT_EQ(Remote({"results", "abc"}).code, 0);
  service.scans["abc"].set_state(v1::SCAN_STATE_RUNNING);
  const Result running = Remote({"results", "abc"});
  EXPECT_EQ(running.code, 0);
  EXPECT_THAT(running.out, HasSubstr("scan abc: running\nplanned 10 = "));
  EXPECT_THAT(running.out, HasSubstr("+ to do 10"));
}

TEST_F(ResultsVerbTest, EachVantageIsAColumnAndDifferencesAreLookedUp) {
  v1::Scan& scan = AddScan("abc", v1::SCAN_STATE_COMPLETE);
  scan.mutable_spec()->set_mode(v1::SCAN_MODE_EACH_VANTAGE);
  AddLane(scan, 1, "office");
  AddLane(scan, 2, "dmz");
  Observe("10.0.0.1", 22, v1::PORT_STATE_OPEN, "dmz");
  Observe("10.0.0.1", 22, v1::PORT_STATE_OPEN, "office");
  Observe("10.0.0.1", 80, v1::PORT_STATE_CLOSED, "dmz");
  Observe("10.0.0.1", 80, v1::PORT_STATE_OPEN, "office");
  Observe("10.0.0.2", 443, v1::PORT_STATE_OPEN, "dmz");
  Observe("10.0.0.2", 443, v1::PORT_STATE_FILTERED, "office");
  Observe("10.0.0.3", 443, v1::PORT_STATE_CLOSED, "dmz");
  Observe("10.0.0.3", 443, v1::PORT_STATE_CLOSED, "office");
  const Result result = Remote({"results", "abc"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              testing::StartsWith(
                  "  PORT       SERVICE BY PORT  office                  dmz\n"
                  "10.0.0.1\n"
                  "  22/tcp     ssh              open 0.42 ms            open 0.42 ms\n"
                  "* 80/tcp     http             open 0.42 ms            closed (conn-refused)\n"
                  "10.0.0.2\n"
                  "* 443/tcp    https            filtered (no-response)  open 0.42 ms\n"
                  "\n"
                  "* the vantages differ\n"));
  ASSERT_EQ(service.listed.size(), 2u);
  EXPECT_THAT(service.listed[1].targets(), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_EQ(service.listed[1].ports(), "80,443");
  EXPECT_EQ(service.listed[1].states_size(), 5);

  const Result all = Remote({"results", "abc", "--show", "all"});
  EXPECT_THAT(all.out, HasSubstr("10.0.0.3\n  443/tcp    https            closed (conn-refused)   "
                                 "closed (conn-refused)\n"));
  EXPECT_EQ(service.listed.size(), 3u) << "everything was there already";

  const Result one = Remote({"results", "abc", "--vantage", "dmz"});
  EXPECT_THAT(one.out.substr(0, one.out.find("scan abc")), Not(HasSubstr("office")));
}

TEST_F(ResultsVerbTest, ATableOfOtherStatesIsSorted) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  for (uint16_t port : {9, 3, 7, 1}) Observe("10.0.0.1", port, v1::PORT_STATE_CLOSED);
  const std::string out = Remote({"results", "abc", "--show", "closed"}).out;
  EXPECT_LT(out.find("1/tcp"), out.find("3/tcp"));
  EXPECT_LT(out.find("3/tcp"), out.find("7/tcp"));
  EXPECT_LT(out.find("7/tcp"), out.find("9/tcp"));
  EXPECT_THAT(out, HasSubstr("VANTAGE"));
}

TEST_F(ResultsVerbTest, WritesAFileWhole) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  Observe("10.0.0.1", 22);
  const std::string path = testing::TempDir() + "portolan_results_test.jsonl";
  std::remove(path.c_str());
  const Result result = Remote({"results", "abc", "--json", "--output", path});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  std::ifstream in(path);
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_THAT(line, HasSubstr("\"port\":22"));
  std::remove(path.c_str());
  EXPECT_EQ(Remote({"results", "abc", "--output", "/no/such/dir/f"}).code, 2);
}

TEST_F(ResultsVerbTest, ColoursOnATerminalUnlessRefused) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  Observe("10.0.0.1", 22);
  EXPECT_EQ(Remote({"results", "abc"}).out.find('\x1b'), std::string::npos);
  out_is_terminal = true;
  EXPECT_NE(Remote({"results", "abc"}).out.find('\x1b'), std::string::npos);
  EXPECT_EQ(Remote({"results", "abc", "--no-color"}).out.find('\x1b'), std::string::npos);
  EXPECT_EQ(Remote({"results", "abc", "--json"}).out.find('\x1b'), std::string::npos);
  variables["NO_COLOR"] = "1";
  EXPECT_EQ(Remote({"results", "abc"}).out.find('\x1b'), std::string::npos);
}

TEST_F(ResultsVerbTest, AHostileNameCannotDriveTheTerminal) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  Observe("10.0.0.1", 22, v1::PORT_STATE_OPEN, "off\x1b]0;x\x07ice");
  service.observations[0].set_name("evil\x1b[2J\nname");
  for (const char* format : {"--json", "--csv", "--show=open"}) {
    const std::string out = Remote({"results", "abc", format}).out;
    EXPECT_EQ(out.find('\x1b'), std::string::npos) << format;
    EXPECT_EQ(out.find('\x07'), std::string::npos) << format;
  }
}

TEST_F(ResultsVerbTest, AnObservationThatMakesNoSenseIsAnErrorNotACrash) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  Observe("10.0.0.1", 22);
  service.observations[0].set_address("xyz");
  EXPECT_EQ(Remote({"results", "abc"}).code, 2);
  service.observations[0].set_address(std::string("\x0a\0\0\1", 4));
  service.observations[0].set_port(70000);
  EXPECT_EQ(Remote({"results", "abc"}).code, 1);
}

void AddFinding(FakeScanService& service, const std::string& ip, v1::HostFindingKind kind,
                uint64_t open, bool of_receipt = false) {
  v1::HostFindingRow row;
  v1::HostFinding& f = *row.mutable_finding();
  f.set_kind(kind);
  f.set_address(IpAddress::Parse(ip)->ToBytes());
  f.set_unix_us(1'767'323'045'000'000);
  f.set_opens(8);
  f.set_outcomes(9);
  if (kind == v1::HOST_FINDING_KIND_STOPPED_ANSWERING) {
    f.set_sentinel_port(443);
    f.set_since_unix_us(1'767'323'000'000'000);
    f.set_silences(77);
  } else {
    for (uint32_t port : {50000, 50001, 50002, 50003}) {
      f.add_confirmed()->set_port(port);
      f.mutable_confirmed(f.confirmed_size() - 1)
          ->set_held(kind == v1::HOST_FINDING_KIND_SYN_PROXY ? v1::HELD_RESET : v1::HELD_QUIET);
    }
  }
  row.set_vantage("office");
  row.set_agent("a1");
  row.set_open_ports(open);
  row.set_ports(100);
  row.set_time_of_receipt(of_receipt);
  service.findings.push_back(row);
}

TEST_F(ResultsVerbTest, FindingsOfAnAgentWhoseClockIsWrongAreMarked) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  AddFinding(service, "198.18.0.8", v1::HOST_FINDING_KIND_STOPPED_ANSWERING, 0, true);
  AddFinding(service, "198.18.0.9", v1::HOST_FINDING_KIND_STOPPED_ANSWERING, 0);
  const Result json = Remote({"results", "abc", "--json"});
  const size_t second = json.out.find("198.18.0.9");
  ASSERT_NE(second, std::string::npos) << json.out;
  EXPECT_THAT(json.out.substr(0, second), HasSubstr(R"("time_of_receipt":true,"agent":"a1"})"));
  EXPECT_THAT(json.out.substr(second), Not(HasSubstr("time_of_receipt")));
  const Result table = Remote({"results", "abc"});
  EXPECT_THAT(table.out, HasSubstr("198.18.0.8  stopped answering after 2026-01-02 03:03:20Z "
                                   "(about: its agent's clock is wrong): port 443"));
  EXPECT_THAT(table.out, Not(HasSubstr("198.18.0.9  stopped answering after 2026-01-02 03:03:20Z "
                                       "(about")));
}

TEST_F(ResultsVerbTest, HostsThatAnswerEverywhereAreOneLine) {
  v1::Scan& scan = AddScan("abc", v1::SCAN_STATE_COMPLETE);
  scan.mutable_ledger()->set_planned(300);
  scan.mutable_ledger()->set_open(197);
  AddFinding(service, "198.18.0.7", v1::HOST_FINDING_KIND_ANSWERS_EVERYWHERE, 96);
  AddFinding(service, "198.18.0.8", v1::HOST_FINDING_KIND_SYN_PROXY, 100);
  AddFinding(service, "198.18.0.9", v1::HOST_FINDING_KIND_STOPPED_ANSWERING, 0);
  Observe("10.0.0.1", 22);
  const Result table = Remote({"results", "abc"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("198.18.0.7  answers everywhere: 96 of 100 ports open, 4 of 4 "
                                   "random high ports open and quiet: a tarpit or proxy, not 96 "
                                   "services (seen from office)\n"));
  EXPECT_THAT(table.out, HasSubstr("198.18.0.8  SYN proxy: 100 of 100 ports open, 4 of 4 random "
                                   "high ports open and reset at once: a firewall that answers for "
                                   "the host, not 100 services"));
  EXPECT_THAT(table.out, HasSubstr("198.18.0.9  stopped answering after 2026-01-02 03:03:20Z: port "
                                   "443, which had answered, and 77 other attempts since"));
  EXPECT_THAT(table.out,
              HasSubstr("open 197 (of which 196 on 2 hosts that answer everywhere) + closed"));
  EXPECT_THAT(table.out, HasSubstr("1 host stopped answering while being scanned"));
  EXPECT_TRUE(service.listed.at(0).without_everywhere_open());
  for (const char* show : {"open,everywhere", "all"}) {
    service.listed.clear();
    Remote({"results", "abc", "--show", show});
    EXPECT_FALSE(service.listed.at(0).without_everywhere_open()) << show;
  }
}

TEST_F(ResultsVerbTest, ProgramsGetBothFindingsAndMarkedPorts) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  AddFinding(service, "198.18.0.8", v1::HOST_FINDING_KIND_SYN_PROXY, 1);
  Observe("198.18.0.8", 22);
  service.observations[0].set_host_finding(v1::HOST_FINDING_KIND_SYN_PROXY);
  Observe("198.18.0.9", 22);
  service.findings_dropped = 5;
  const Result json = Remote({"results", "abc", "--json"});
  EXPECT_FALSE(service.listed.at(0).without_everywhere_open());
  EXPECT_THAT(json.out, HasSubstr(R"("source_ip":null,"host_finding":"syn-proxy"})"));
  EXPECT_THAT(json.out,
              HasSubstr(R"("source_ip":null}
{"type":"host-finding","scan_id":"abc","vantage":"office","ip":"198.18.0.8","kind":"syn-proxy",)"
                        R"("open_ports":1,"ports":100,"evidence":{"opens":8,"outcomes":9},)"
                        R"("confirmed":[{"port":50000,"held":"reset"},)"));
  EXPECT_THAT(json.out,
              HasSubstr(R"("hosts":{"answer_everywhere":1,"open_there":1,"stopped_answering":0,)"
                        R"("findings":1,"dropped":5}})"));
  const Result csv = Remote({"results", "abc", "--csv"});
  EXPECT_THAT(csv.out, HasSubstr("source_ip,host_finding,time_of_receipt\n"));
  EXPECT_THAT(csv.out, HasSubstr(",a-office,,syn-proxy,\n"));
  EXPECT_THAT(csv.out, HasSubstr(",a-office,,,\n"));
  EXPECT_THAT(csv.err, HasSubstr("198.18.0.8  SYN proxy"));
  EXPECT_THAT(csv.err, HasSubstr("about 5 more findings about hosts"));
}

TEST_F(ResultsVerbTest, OfFilteredFindingsTheTotalsAreStillThoseOfTheScan) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  AddFinding(service, "198.18.0.8", v1::HOST_FINDING_KIND_SYN_PROXY, 1);
  Remote({"results", "abc", "198.18.0.8", "--vantage", "office"});
  ASSERT_EQ(service.asked_findings.size(), 2u);
  EXPECT_EQ(service.asked_findings[0].targets_size(), 0);
  EXPECT_THAT(service.asked_findings[1].targets(), ElementsAre("198.18.0.8"));
  EXPECT_THAT(service.asked_findings[1].vantages(), ElementsAre("office"));
}

TEST_F(ResultsVerbTest, ACoordinatorWithoutFindingsHasNone) {
  AddScan("abc", v1::SCAN_STATE_COMPLETE);
  Observe("10.0.0.1", 22);
  service.errors["ListHostFindings"] = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  const Result result = Remote({"results", "abc"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("22/tcp"));
  // A kind that is newer than this program is left out; one that makes no sense is an error.
  AddFinding(service, "198.18.0.8", static_cast<v1::HostFindingKind>(99), 1);
  EXPECT_EQ(Remote({"results", "abc"}).code, 0);
  AddFinding(service, "198.18.0.8", v1::HOST_FINDING_KIND_SYN_PROXY, 1);
  service.findings[1].mutable_finding()->clear_confirmed();
  EXPECT_EQ(Remote({"results", "abc"}).code, 1);
}

TEST_F(ResultsVerbTest, PortsThatAreATargetAreNamed) {
  const Result result = Remote({"results", "abc", "-p", "127.0.0.1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, testing::HasSubstr("-p took the target as its ports"));
}

}  // namespace
}  // namespace portolan
