// Webhooks of a monitor, to a real HTTP server that is away for a while, and from a coordinator
// that is killed in between: all that happens arrives, signed, in order.
#include <gtest/gtest.h>
#include <sys/stat.h>

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

}  // namespace
}  // namespace portolan::integration
