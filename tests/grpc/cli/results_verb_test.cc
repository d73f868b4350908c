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
  EXPECT_THAT(
      result.out,
      testing::StartsWith("  PORT       SERVICE  office                  dmz\n"
                          "10.0.0.1\n"
                          "  22/tcp     ssh      open 0.42 ms            open 0.42 ms\n"
                          "* 80/tcp     http     open 0.42 ms            closed (conn-refused)\n"
                          "10.0.0.2\n"
                          "* 443/tcp    https    filtered (no-response)  open 0.42 ms\n"
                          "\n"
                          "* the vantages differ\n"));
  ASSERT_EQ(service.listed.size(), 2u);
  EXPECT_THAT(service.listed[1].targets(), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_EQ(service.listed[1].ports(), "80,443");
  EXPECT_EQ(service.listed[1].states_size(), 5);

  const Result all = Remote({"results", "abc", "--show", "all"});
  EXPECT_THAT(
      all.out,
      HasSubstr("10.0.0.3\n  443/tcp    https    closed (conn-refused)   closed (conn-refused)\n"));
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

}  // namespace
}  // namespace portolan
