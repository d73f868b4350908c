#include "tests/grpc/cli/harness.h"

namespace portolan {
namespace {

using testing::HasSubstr;
using testing::Not;

class UsageTest : public CliTest {};

TEST_F(UsageTest, EveryVerbHasHelpWithAUsageLine) {
  for (const auto& verb : std::vector<std::vector<std::string>>{{},
                                                                {"scan"},
                                                                {"results"},
                                                                {"scans"},
                                                                {"scans", "list"},
                                                                {"scans", "show"},
                                                                {"scans", "watch"},
                                                                {"scans", "pause"},
                                                                {"scans", "resume"},
                                                                {"scans", "cancel"},
                                                                {"scans", "exclude"},
                                                                {"scans", "rm"},
                                                                {"monitor"},
                                                                {"monitor", "apply"},
                                                                {"monitor", "get"},
                                                                {"monitor", "list"},
                                                                {"monitor", "describe"},
                                                                {"monitor", "pause"},
                                                                {"monitor", "resume"},
                                                                {"monitor", "run-now"},
                                                                {"monitor", "accept"},
                                                                {"monitor", "delete"},
                                                                {"exposure"},
                                                                {"explain"},
                                                                {"events"},
                                                                {"findings"},
                                                                {"check"},
                                                                {"diff"},
                                                                {"notifications"},
                                                                {"notifications", "dead"},
                                                                {"notifications", "resend"},
                                                                {"notifications", "drop"},
                                                                {"notifications", "test"},
                                                                {"agents"},
                                                                {"agents", "list"},
                                                                {"agents", "drain"},
                                                                {"ports"},
                                                                {"ca"},
                                                                {"ca", "init"},
                                                                {"ca", "issue"},
                                                                {"version"}}) {
    auto args = verb;
    args.push_back("--help");
    const Result result = Run(args);
    std::string path = "portolan";
    for (const std::string& word : verb) path += " " + word;
    EXPECT_EQ(result.code, 0) << path;
    EXPECT_THAT(result.out, HasSubstr("\nUsage: " + path + " ")) << path;
    EXPECT_THAT(result.out, HasSubstr("Examples:\n")) << path;
    EXPECT_EQ(result.err, "") << path;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), 110u) << path << ": " << line;
  }
}

TEST_F(UsageTest, WithoutAVerbItPrintsHelpOnStderrAndFails) {
  const Result result = Run({});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("Usage: portolan VERB"));
}

TEST_F(UsageTest, BadUsageIsExitCodeTwoAndPrintsNoResults) {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"scna"},
           {"scan"},
           {"scan", "127.0.0.1", "--bogus"},
           {"scan", "-oX", "out.xml", "127.0.0.1"},
           {"scan", "127.0.0.1", "-p", "90-80"},
           {"scan", "127.0.0.999"},
           {"scan", "127.0.0.1", "--retries", "11"},
           {"scan", "127.0.0.1", "--retries", "x"},
           {"scan", "127.0.0.1", "--timeout", "1 h"},
           {"scan", "127.0.0.1", "--timeout", "2h"},
           {"scan", "127.0.0.1", "--timeout", "1500"},
           {"scan", "127.0.0.1", "--min-timeout", "300"},
           {"scan", "127.0.0.1", "--retry-delay", "1"},
           {"scan", "127.0.0.1", "--lane-timeout", "600"},
           {"scan", "127.0.0.1", "--retention", "30"},
           {"scan", "127.0.0.1", "--retention", "0"},
           {"scan", "127.0.0.1", "--reconnect-timeout", "300"},
           {"ca", "init", "--out", "/nonexistent/x", "--valid", "90"},
           {"events", "--since", "24", "--coordinator", "127.0.0.1:1"},
           {"scan", "127.0.0.1", "--priority", "urgent"},
           {"scan", "127.0.0.1", "--json", "--csv"},
           {"scan", "127.0.0.1", "--show", "opne"},
           {"scan", "127.0.0.1", "--wait", "--detach"},
           {"scan", "127.0.0.1", "--detach"},
           {"scan", "127.0.0.1", "--seed", "12x"},
           {"scan", "127.0.0.1", "-p", "80", "--top-ports", "5"},
           {"scan", "127.0.0.1", "-p", "80", "-p", "81"},
           {"scan", "127.0.0.1", "--local", "--coordinator", "127.0.0.1:1"},
           {"scans", "show"},
           {"scans", "frobnicate", "x"},
           {"agents", "list"},
           {"monitor", "list"},  // names no coordinator
           {"monitor", "apply"},
           {"monitor", "apply", "-f", "/nonexistent.yaml"},
           {"monitor", "get", "web", "-o", "xml"},
           {"monitor", "describe"},
           {"monitor", "delete"},
           {"exposure", "--json", "--csv"},
           {"exposure", "--ports", "90-80"},
           {"explain", "10.0.0.1"},
           {"explain", "10.0.0.1", "22,80"},
           {"explain", "10.0.0.1", "nosuchservice"},
           {"events", "--since", "yesterday"},
           {"findings", "--severity", "terrible"},
           {"findings", "--json", "--csv"},
           {"check", "--fail-on", "terrible"},
           {"diff", "abc"},
           {"diff", "abc", "web#x"},
           {"diff", "abc", "@office"},
           {"diff", "abc@", "abd"},
           {"diff", "web#1", "web#2"},  // monitors need a coordinator
           {"notifications", "drop"},
           {"notifications", "resend", "0"},
           {"notifications", "test"},
           {"ports", "nosuchservice"},
           {"version", "--log-level", "loud"}}) {
    std::string line;
    for (const std::string& word : args) line += word + " ";
    const Result result = Run(args);
    EXPECT_EQ(result.code, 2) << line << result.err;
    EXPECT_EQ(result.out, "") << line;
    EXPECT_TRUE(result.err.starts_with("portolan: ")) << line << result.err;
    EXPECT_TRUE(service.created.empty()) << line;
  }
}

TEST_F(UsageTest, ARemoteCoordinatorNeedsTlsOrConsent) {
  Result result = Run({"agents", "--coordinator", "scan.example:4460"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--insecure"));
  EXPECT_EQ(dialled, "");
  EXPECT_EQ(Run({"agents", "--coordinator", "scan.example:4460", "--insecure"}).code, 0);
  EXPECT_EQ(dialled, "scan.example:4460");
  EXPECT_EQ(Run({"agents", "--coordinator", "scan.example:4460", "--tls-cert", "c", "--tls-key",
                 "k", "--tls-ca", "a"})
                .code,
            0);
  EXPECT_EQ(dialled_tls.ca, "a");
}

TEST_F(UsageTest, TheEnvironmentNamesWhatFlagsDoNot) {
  variables["PORTOLAN_COORDINATOR"] = "127.0.0.1:1";
  variables["PORTOLAN_TLS_CERT"] = "envcert";
  EXPECT_EQ(Run({"agents"}).code, 0);
  EXPECT_EQ(dialled, "127.0.0.1:1");
  EXPECT_EQ(dialled_tls.cert, "envcert");
  EXPECT_EQ(Run({"--coordinator", "127.0.0.1:2", "agents"}).code, 0);  // before the verb as well
  EXPECT_EQ(dialled, "127.0.0.1:2");
  dialled.clear();
  EXPECT_EQ(Run({"scans", "--local", "--data", "/"}).code, 0);
  EXPECT_EQ(dialled, "");
}

TEST_F(UsageTest, PortsTellsWhatAnExpressionMeans) {
  const Result table = Run({"ports", "22,-3"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("1-3,22: 4 ports\n"));
  EXPECT_THAT(table.out, HasSubstr("ssh"));
  const Result json = Run({"ports", "ssh", "--json"});
  EXPECT_THAT(json.out, testing::StartsWith(
                            R"({"type":"port","port":22,"service":"ssh","class":"remote-admin")"));
}

TEST_F(UsageTest, VersionAsksTheCoordinatorWhenThereIsOne) {
  EXPECT_THAT(Run({"version"}).out, testing::MatchesRegex("portolan [0-9.]+\n"));
  EXPECT_THAT(Run({"--version"}).out, testing::MatchesRegex("portolan [0-9.]+\n"));
  EXPECT_THAT(Remote({"version"}).out, HasSubstr("coordinator 9.9 at 127.0.0.1:4460, epoch 3"));
  EXPECT_THAT(Remote({"version", "--json"}).out,
              HasSubstr(R"("coordinator":{"version":"9.9","epoch":3,"started":null})"));
}

TEST_F(UsageTest, AgentsAreListedAndDrained) {
  v1::Agent a;
  a.set_name("dmz-1");
  a.set_vantage("dmz");
  a.set_live(true);
  a.set_limited_by("file limit 1024");
  service.agents.push_back(a);
  EXPECT_THAT(Remote({"agents"}).out, HasSubstr("dmz-1  dmz      live"));
  EXPECT_THAT(Remote({"agents", "list", "--json"}).out,
              HasSubstr(R"({"type":"agent","name":"dmz-1","vantage":"dmz","live":true)"));
  EXPECT_THAT(Remote({"agents"}).out, HasSubstr("file limit 1024"));
  v1::Agent& away = service.agents.emplace_back();
  away.set_name("dmz-2");
  away.set_clock_skew_s(7205);
  away.set_times_replaced(true);
  away.add_rival_peers("198.18.0.7");
  away.set_away_reason("its certificate ended at 2026-01-02T03:04:05Z");
  away.set_peer("ipv4:198.18.0.6:1000");
  const Result text = Remote({"agents"});
  for (const char* part :
       {"+2h00m", "ipv4:198.18.0.6:1000", "its certificate ended at 2026",
        "another agent of this name calls from 198.18.0.7", "its clock is wrong"})
    EXPECT_THAT(text.out, HasSubstr(part));
  EXPECT_THAT(Remote({"agents", "list", "--json"}).out,
              HasSubstr(R"("clock_skew_s":7205,"times_replaced":true,"rival_peers":["198.18.0.7"],)"
                        R"("away_reason":"its certificate ended at 2026-01-02T03:04:05Z",)"
                        R"("certificate_not_after":null})"));
  service.agents[0].set_certificate_not_after_unix_us(1'600'000'000'000'000);
  EXPECT_THAT(Remote({"agents"}).out,
              HasSubstr("its certificate ended at 2020-09-13 12:26:40Z: it works until its "
                        "connection breaks; renew it"));
  EXPECT_EQ(Remote({"agents", "drain", "dmz-1"}).code, 0);
  EXPECT_EQ(Remote({"agents", "drain", "dmz-1", "--undo"}).code, 0);
  EXPECT_THAT(service.calls, testing::ElementsAre("DrainAgent dmz-1", "DrainAgent dmz-1 undo"));
  const Result unknown = Remote({"agents", "drain", "nobody"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("nobody"));
}

}  // namespace
}  // namespace portolan
