// Webhooks of a monitor, to a real HTTP server that is away for a while, and from a coordinator
// that is killed in between: all that happens arrives, signed, in order, or as one message where
// the receiver groups.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "tests/integration/exposure_script.h"
#include "tests/integration/monitor_lab.h"
#include "tests/integration/webhook_receiver.h"

namespace portolan::integration {
namespace {

constexpr int kPort = 9444;
constexpr char kSecret[] = "swordfish of these tests";

// (kind, rule, vantage, target, port)
using Told = std::tuple<std::string, std::string, std::string, std::string, int>;

// What became true and what ceased to be.
std::multiset<Told> FindingsTold(const std::vector<ScriptStep>& script) {
  std::multiset<Told> out;
  std::multiset<Complaint> before;
  const auto tell = [&](const char* kind, const Complaint& c) {
    const auto& [what, rule, vantage, target, port] = c;
    out.emplace(kind, rule, vantage, target, port);
  };
  for (const ScriptStep& step : script) {
    const auto now = FindingsOf(step.world);
    for (const Complaint& c : now) {
      if (before.count(c) == 0) tell("finding-opened", c);
    }
    for (const Complaint& c : before) {
      if (now.count(c) == 0) tell("finding-resolved", c);
    }
    before = now;
  }
  return out;
}

// What arrived, each delivery once however often it came.
struct Arrived {
  std::multiset<Change> events;
  std::vector<std::string> event_ids;  // in the order in which they first came
  std::multiset<Told> findings;
};
Arrived Read(const std::vector<WebhookReceiver::Request>& requests) {
  Arrived out;
  std::map<std::string, std::string> seen;  // body by delivery
  for (const auto& r : requests) {
    EXPECT_TRUE(IsSigned(r, kSecret)) << r.signature;
    EXPECT_EQ(r.type, "application/json");
    const auto [it, fresh] = seen.emplace(r.delivery, r.body);
    EXPECT_EQ(it->second, r.body) << "what is sent again is the same";
    const auto body = nlohmann::json::parse(r.body, nullptr, false);
    if (body.is_discarded()) {
      ADD_FAILURE() << r.body;
      continue;
    }
    EXPECT_EQ(body["id"], r.delivery);
    EXPECT_EQ(body["monitor"], "lab");
    if (!fresh) continue;
    const std::string kind = body["kind"], to = body["to"];
    const int port = body["port"].is_null() ? -1 : body["port"].get<int>();
    if (kind == "event") {
      const std::string state = to.substr(0, to.find('/'));
      out.events.emplace(body["vantage"], body["target"], port, state == "open" ? "opened" : state);
      out.event_ids.push_back(r.delivery);
    } else {
      out.findings.emplace(kind, body["rule"], body["vantage"], body["target"], port);
    }
  }
  return out;
}

TEST(MonitorWebhook, AllArrivesThoughTheReceiverIsAwayAndTheCoordinatorIsKilled) {
  const std::string reason = NetLab::Unavailable();
  if (!reason.empty()) GTEST_SKIP() << reason;
  TempDir dir;
  WriteFile(dir.path("hook.key"), std::string(kSecret) + "\n");
  ASSERT_EQ(chmod(dir.path("hook.key").c_str(), 0600), 0);
  WriteFile(dir.path("webhooks.yaml"),
            "receivers:\n  - name: hook\n    url: http://127.0.0.1:" + std::to_string(kPort) +
                "/hook\n    secret_file: hook.key\n    timeout: 2s\n");
  const std::vector<ScriptStep> script = ExposureScript();
  MonitorLab lab(script[0].world, {"--webhooks", dir.path("webhooks.yaml")},
                 "  webhooks: [hook]\n");
  ASSERT_TRUE(lab.Start());
  WebhookReceiver receiver(lab.net().target(), kPort);
  ASSERT_TRUE(receiver.Up());

  std::multiset<Change> events;
  for (size_t i = 0; i < script.size(); ++i) {
    SCOPED_TRACE(script[i].what);
    if (i > 0) {
      for (const Change& c : ChangesBetween(script[i - 1].world, script[i].world)) events.insert(c);
    }
    if (i == 2) receiver.Down();
    ASSERT_TRUE(lab.Become(script[i].world));
    ASSERT_FALSE(lab.RunAndSettle().is_null());
    // Findings that are over before they were looked at would be none.
    const auto findings = FindingsOf(script[i].world);
    EXPECT_TRUE(Eventually(seconds(20), [&] { return lab.Findings() == findings; }));
    if (i == 2 || i == 3) {  // with what waits in its outbox
      EXPECT_GT(lab.fleet().Metric("portolan_webhook_pending"), 0);
      lab.fleet().KillCoordinator();
      ASSERT_TRUE(lab.fleet().StartCoordinator());
      ASSERT_TRUE(lab.fleet().WaitForAgents(4));
    }
    if (i == 4) {
      ASSERT_TRUE(receiver.Up());
    }
  }
  ASSERT_EQ(lab.Events(), events);
  // It was away for half a minute, so it is tried again after a minute at most.
  EXPECT_TRUE(Eventually(seconds(150), [&] {
    return lab.fleet().Metric("portolan_webhook_pending") == 0;
  })) << lab.fleet().Get("/metrics");
  receiver.Down();

  const Arrived arrived = Read(receiver.requests());
  EXPECT_EQ(arrived.events, events);
  EXPECT_EQ(arrived.findings, FindingsTold(script));
  std::vector<std::string> ids;
  for (const auto& e : lab.EventRecords()) ids.push_back(e["id"]);
  EXPECT_EQ(arrived.event_ids, ids) << "in the order in which they happened";
  EXPECT_EQ(lab.fleet().Metric("portolan_webhook_dead_letters"), 0);
}

// Each delivery once, with the check that what came again is the same.
std::vector<nlohmann::json> Groups(const WebhookReceiver& receiver) {
  std::vector<nlohmann::json> out;
  std::map<std::string, std::string> seen;
  for (const auto& r : receiver.requests()) {
    EXPECT_TRUE(IsSigned(r, kSecret)) << r.signature;
    const auto [it, fresh] = seen.emplace(r.delivery, r.body);
    EXPECT_EQ(it->second, r.body) << "what is sent again is the same";
    const auto body = nlohmann::json::parse(r.body, nullptr, false);
    if (body.is_discarded()) {
      ADD_FAILURE() << r.body;
      continue;
    }
    EXPECT_EQ(body["id"], r.delivery);
    EXPECT_EQ(body["kind"], "group");
    if (fresh) out.push_back(body);
  }
  return out;
}

TEST(MonitorWebhook, HundredsOfOpeningsAreOneMessageThoughTheCoordinatorIsKilledMeanwhile) {
  const std::string reason = NetLab::Unavailable();
  if (!reason.empty()) GTEST_SKIP() << reason;
  TempDir dir;
  WriteFile(dir.path("hook.key"), std::string(kSecret) + "\n");
  ASSERT_EQ(chmod(dir.path("hook.key").c_str(), 0600), 0);
  // One waits as long as the test wants, the other for its time.
  const auto configure = [&](const std::string& wait) {
    const auto receiver = [&](const std::string& name, int port, const std::string& group) {
      return "  - name: " + name + "\n    url: http://127.0.0.1:" + std::to_string(port) +
             "/hook\n    secret_file: hook.key\n    filter: {kinds: [event]}\n    group: " + group +
             "\n";
    };
    WriteFile(dir.path("webhooks.yaml"),
              "link: https://grafana.example/{monitor}\nreceivers:\n" +
                  receiver("hook", kPort, "{wait: " + wait + ", by: [monitor]}") +
                  receiver("hosts", kPort + 1, "{wait: 10s, by: [monitor, host]}"));
  };
  configure("1h");
  const ExposureWorld before = ExposureScript()[0].world;
  MonitorLab lab(before, {"--webhooks", dir.path("webhooks.yaml")}, "  webhooks: [hook, hosts]\n");
  ASSERT_TRUE(lab.Start());
  WebhookReceiver hook(lab.net().target(), kPort), hosts(lab.net().target(), kPort + 1);
  ASSERT_TRUE(hook.Up());
  ASSERT_TRUE(hosts.Up());
  ASSERT_FALSE(lab.RunAndSettle().is_null());

  ExposureWorld after = before;
  for (int port = 9001; port <= 9005; ++port) {
    for (int h = 1; h <= 12; ++h) after.listening.insert({"198.19.0." + std::to_string(h), port});
    for (int h = 1; h <= 4; ++h)
      after.listening.insert({"2001:db8:ff::" + std::to_string(h), port});
  }
  const std::multiset<Change> openings = ChangesBetween(before, after);
  const auto n = static_cast<double>(openings.size());
  ASSERT_EQ(n, 16 * 5 * 3);
  ASSERT_TRUE(lab.Become(after));
  ASSERT_FALSE(lab.RunAndSettle().is_null());
  ASSERT_EQ(lab.Events(), openings);

  Fleet& fleet = lab.fleet();
  const auto restart = [&] {
    fleet.KillCoordinator();
    return fleet.StartCoordinator() && fleet.WaitForAgents(4);
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(fleet.Metric("portolan_webhook_gathering", "receiver=\"hook\""), n);
    EXPECT_EQ(fleet.Metric("portolan_webhook_pending", "receiver=\"hook\""), n);
    EXPECT_TRUE(hook.requests().empty());
    if (i == 0) {
      ASSERT_TRUE(restart());
    }
  }
  configure("1s");
  ASSERT_TRUE(restart());
  EXPECT_TRUE(Eventually(seconds(120), [&] {
    return fleet.Metric("portolan_webhook_pending") == 0;
  })) << fleet.Get("/metrics");
  EXPECT_EQ(fleet.Metric("portolan_webhook_messages_total", "receiver=\"hook\""), 1);
  EXPECT_EQ(fleet.Metric("portolan_webhook_sent_total", "receiver=\"hook\""), n);
  EXPECT_EQ(fleet.Metric("portolan_webhook_dead_letters"), 0);

  std::set<std::string> ids;
  for (const auto& e : lab.EventRecords()) ids.insert(e["id"].get<std::string>());
  const auto groups = Groups(hook);
  ASSERT_EQ(groups.size(), 1u);
  const nlohmann::json& body = groups[0];
  EXPECT_EQ(body["counts"]["total"], n);
  EXPECT_EQ(body["counts"]["kinds"]["event"], n);
  EXPECT_EQ(body["by"], nlohmann::json::parse(R"({"monitor": "lab"})"));
  EXPECT_EQ(body["link"], "https://grafana.example/lab");
  EXPECT_EQ(body["not_shown"], n - 10);
  std::set<std::string> shown;
  for (const auto& e : body["notifications"]) {
    EXPECT_EQ(e["kind"], "event");
    EXPECT_EQ(ids.count(e["id"].get<std::string>()), 1u) << e;
    shown.insert(e["id"].get<std::string>());
  }
  EXPECT_EQ(shown.size(), 10u);

  // The command of the message shows all of them.
  std::istringstream words(body["command"].get<std::string>());
  std::vector<std::string> argv{std::istream_iterator<std::string>(words), {}};
  ASSERT_EQ(argv.at(0), "portolan");
  argv.erase(argv.begin());
  argv.push_back("--json");
  const RunResult listed = fleet.Cli(argv);
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(std::count(listed.out.begin(), listed.out.end(), '\n'), n);

  // And by host, each once, in many fewer messages than there were openings.
  double told = 0;
  shown.clear();
  const auto by_host = Groups(hosts);
  for (const auto& g : by_host) {
    told += g["counts"]["total"].get<double>();
    for (const auto& e : g["notifications"]) {
      EXPECT_EQ(e["target"], g["by"]["host"]);
      EXPECT_TRUE(shown.insert(e["id"].get<std::string>()).second) << "in two groups: " << e;
    }
  }
  EXPECT_EQ(told, n);
  EXPECT_GE(by_host.size(), 16u);
  EXPECT_LT(by_host.size(), openings.size() / 3);
}

TEST(MonitorWebhook, FileThatMakesNoSenseEndsTheCoordinatorWithItsLine) {
  TempDir dir;
  WriteFile(dir.path("webhooks.yaml"),
            "receivers:\n  - name: hook\n    url: http://127.0.0.1:1/\n    group:\n      wait: 30\n"
            "      by: [host]\n");
  const RunResult result = RunToEnd({std::string(PORTOLAN_BIN_DIR) + "/portolan-coordinator",
                                     "--insecure", "--listen", "127.0.0.1:0", "--data",
                                     dir.path("data"), "--webhooks", dir.path("webhooks.yaml")});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("webhooks.yaml:5: wait: duration \"30\""), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace portolan::integration
