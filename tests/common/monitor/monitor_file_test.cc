#include "common/monitor/monitor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/status.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kHead =
    "apiVersion: portolan/v1\nkind: Monitor\nmetadata:\n  name: web\nspec:\n";
// The body begins in line 6.
std::string Document(const std::string& body) { return kHead + body; }
const std::string kBody =
    "  targets: [192.0.2.0/24]\n"
    "  vantages: [{name: office, role: inside}]\n"
    "  schedule: {every: 1h}\n";

std::string Problems(const std::string& text) {
  return std::string(Message(ProblemsStatus("f.yaml", ParseMonitors(text).problems)));
}

TEST(ParseMonitors, SmallestMonitorHasTheDefaults) {
  const MonitorFile file = ParseMonitors(Document(kBody));
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  ASSERT_EQ(file.monitors.size(), 1u);
  const MonitorSpec& s = file.monitors[0].spec;
  EXPECT_EQ(s.name, "web");
  EXPECT_EQ(s.ports, "top-100");
  EXPECT_EQ(*s.schedule.every, std::chrono::hours(1));
  EXPECT_EQ(s.retention, std::chrono::hours(24 * 30));
  EXPECT_EQ(s.confirmation.probes, 3u);
  EXPECT_FALSE(s.paused);
}

TEST(ParseMonitors, SeveralDocumentsAndFormsOfPorts) {
  const MonitorFile file =
      ParseMonitors(Document(kBody + "  ports: 443\n") + "---\n" +
                    "apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: two}\nspec:\n" +
                    kBody + "  ports: [22, 80-90, https]\n---\n");
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  ASSERT_EQ(file.monitors.size(), 2u);
  EXPECT_EQ(file.monitors[0].spec.ports, "443");
  EXPECT_EQ(file.monitors[1].spec.ports, "22,80-90,https");
  EXPECT_EQ(file.monitors[1].line, 11);
}

TEST(ParseMonitors, EachMistakeHasItsPlaceValueAndRemedy) {
  struct Case {
    std::string text;
    const char* start;
    const char* part;
  };
  const std::string v = "  vantages: [{name: office, role: inside}]\n";
  const std::string t = "  targets: [192.0.2.0/24]\n";
  const std::string s = "  schedule: {every: 1h}\n";
  const Case cases[] = {
      {"kind: Monitor\n", "f.yaml:1:1: ", "has no \"apiVersion\"; add it"},
      {"- a\n", "f.yaml:1:1: ", "is a list; write a block of keys"},
      {"apiVersion: portolan/v2\n", "f.yaml:1:1: ",
       "f.yaml:1:13: apiVersion: \"portolan/v2\" is not taken here; write portolan/v1"},
      {Document("  target: [192.0.2.1]\n" + v + s),
       "f.yaml:6:3: spec: ", "unknown key \"target\" in spec; did you mean \"targets\"?"},
      {Document(kBody + "  exclude_ports: 80\n"), "f.yaml:9:3: ", "did you mean \"excludePorts\"?"},
      {Document(kBody + "  blah: 80\n"),
       "f.yaml:9:3: ", "the keys are targets, targetsFrom, exclude"},
      {Document(kBody + "  ports: 90-80\n"), "f.yaml:9:10: spec.ports: ", "90-80"},
      {Document(kBody + "  ports: []\n"), "f.yaml:9:10: spec.ports: ", "empty"},
      {Document(kBody + "  ports:\n"), "f.yaml:9:3: spec.ports: ", "\"ports\" has no value"},
      {Document(v + s + "  targets:\n    - 192.0.2.1\n    - 192.0.2.999\n"),
       "f.yaml:10:7: spec.targets[1]: ", "192.0.2.999"},
      {Document(v + s + "  targets: [192.0.2.1 192.0.2.2]\n"), "f.yaml:8:13: ", "an entry"},
      {Document(v + s + "  targets: []\n"), "f.yaml:8:12: spec.targets: ", "0 entries; write 1"},
      {Document(v + s + "  targets: 192.0.2.1\n"), "f.yaml:8:12: ", "one value; write a list"},
      {Document(t + s + "  vantages: [{name: a b, role: inside}]\n"), "f.yaml:8:21: ", "a b"},
      {Document(t + s + "  vantages: [{name: a, role: insid}]\n"),
       "f.yaml:8:30: ", "did you mean \"inside\"? It is one of inside, outside"},
      {Document(t + s + "  vantages: [{name: a}]\n"), "f.yaml:8:14: ", "has no \"role\""},
      {Document(t + s + "  vantages: [{name: a, role: inside}, {name: a, role: inside}]\n"),
       "f.yaml:8:46: spec.vantages[1].name: ", "there twice"},
      {Document(t + v + "  schedule: {every: 1}\n"),
       "f.yaml:8:21: spec.schedule.every: ", "has no unit"},
      {Document(t + v + "  schedule: {every: 10s}\n"), "f.yaml:8:21: ", "between 1m and 366d"},
      {Document(t + v + "  schedule: {every: 1h, jitter: 1h}\n"),
       "f.yaml:8:33: ", "jitter 1h is not below every 1h"},
      {Document(t + v + "  schedule: {every: 1h, at: 90m}\n"), "f.yaml:8:29: ", "not below every"},
      {Document(t + v + "  schedule: {jitter: 5m}\n"), "f.yaml:8:13: ", "neither every nor cron"},
      {Document(t + v + "  schedule: {every: 1h, cron: '@daily'}\n"), "f.yaml:8:13: ", "both"},
      {Document(t + v + "  schedule: {cron: '@daily', at: 5m}\n"),
       "f.yaml:8:34: ", "at belongs to"},
      {Document(t + v + "  schedule: {cron: '0 0 30 2 *'}\n"), "f.yaml:8:20: ", "no date ever"},
      {Document(t + v + "  schedule: {cron: '@daily', timeZone: Mars/Olympus}\n"),
       "f.yaml:8:40: ", "tzdata"},
      {Document(t + v + "  schedule: {every: 1h, timeZone: Europe/Berlin}\n"),
       "f.yaml:8:35: ", "belongs to cron"},
      {Document(t + v + "  schedule: {cron: */5 * * * *}\n"), "f.yaml:8:", "in quotes"},
      {Document(kBody + "  rate: {timing: 6}\n"), "f.yaml:9:18: spec.rate.timing: ", "from 0 to 5"},
      {Document(kBody + "  rate: {maxRate: -1}\n"), "f.yaml:9:19: ", "from 0 to 100000000"},
      {Document(kBody + "  rate: {maxRate: nan}\n"), "f.yaml:9:19: ", "not a number"},
      {Document(kBody + "  rate: {maxrate: 5}\n"), "f.yaml:9:10: ", "did you mean \"maxRate\"?"},
      {Document(kBody + "  overlap: wait\n"), "f.yaml:9:12: ", "skip, queue"},
      {Document(kBody + "  retention: 30\n"), "f.yaml:9:14: ", "has no unit"},
      {Document(kBody + "  paused: yes\n"), "f.yaml:9:11: ", "not true or false"},
      {Document(kBody + "  webhooks: [On Call]\n"), "f.yaml:9:14: ", "lower-case"},
      {Document(kBody + "  profiles: [no-cleartext]\n"),
       "f.yaml:9:14: ", "did you mean \"no-clear-text\"?"},
      {Document(kBody + "  profiles: [no-databases-from-outside]\n"),
       "f.yaml:9:14: ", "needs a vantage whose role is outside"},
      {Document(kBody + "  confirmation: {probes: 2, needed: 3}\n"),
       "f.yaml:9:37: ", "above probes 2"},
      {Document(kBody + "  canaries: {open: [\"192.0.2.1:22\"]}\n"), "f.yaml:9:13: ", "no quorum"},
      {Document(kBody + "  canaries: {open: [192.0.2.1]}\n"), "f.yaml:9:21: ", "192.0.2.1:22"},
      {Document(kBody +
                "  canaries:\n    open: ['192.0.2.1:1', '192.0.2.1:2', 'A.b:3', 'a.b:3']\n"),
       "f.yaml:10:51: ", "there twice"},
      {Document(kBody + "  expectations:\n    - {name: r, action: must-be-open}\n"),
       "f.yaml:10:25: ", "write them under ports"},
      {Document(kBody + "  expectations:\n    - {name: r, action: may-be-open, vantages: [dmz]}\n"),
       "f.yaml:10:49: ", "is none of the monitor's"},
      {Document(kBody + "  expectations:\n    - {name: r, action: may-be-open, role: outside}\n"),
       "f.yaml:10:44: ", "is outside; correct the role"},
      {Document(kBody + "  expectations:\n    - {name: no-clear-text, action: may-be-open}\n"),
       "f.yaml:10:14: ", "the name of a profile"},
      {Document(kBody +
                "  expectations:\n    - {name: r, action: may-be-open, services: [databases]}\n"),
       "f.yaml:10:49: ", "did you mean \"database\"?"},
      {Document(kBody +
                "  expectations:\n    - {name: r, action: may-be-open, expires: 2026-02-30}\n"),
       "f.yaml:10:47: ", "does not exist"},
      {Document(
           kBody +
           "  expectations:\n    - {name: r, action: may-be-open, targets: ['192.0.2.1:80']}\n"),
       "f.yaml:10:48: ", "write the port under ports"},
      {"apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: Web}\nspec:\n" + kBody,
       "f.yaml:3:18: metadata.name: ", "lower-case letters"},
      {"apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: web, owner: 5}\nspec:\n" + kBody,
       "f.yaml:3:30: metadata.owner: ", "write it in quotes: \"5\""},
      {"apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: web, labels: {-x: y}}\nspec:\n" +
           kBody,
       "f.yaml:3:32: metadata.labels: ", "label"},
      {"apiVersion: portolan/v1\nkind: Monitor\nmetadata: {name: web, owner: \"a\\nb\"}\nspec:\n" +
           kBody,
       "f.yaml:3:30: ", "line break"},
      {Document(kBody) + "---\n" + Document(kBody),
       "f.yaml:13:9: metadata.name: ", "in this file twice, first in line 1"},
  };
  for (const Case& c : cases) {
    const std::string problems = Problems(c.text);
    EXPECT_TRUE(problems.starts_with(c.start)) << problems << "\nwanted " << c.start;
    EXPECT_THAT(problems, HasSubstr(c.part));
  }
}

TEST(ParseMonitors, TellsAllProblemsOfAFileInTheOrderOfLines) {
  const std::string problems = Problems(
      Document("  targets: [x..y]\n  vantages: []\n  schedule: {evry: 1h}\n  ports: x-y\n"));
  std::vector<std::string> lines;
  std::istringstream in(problems);
  for (std::string line; std::getline(in, line);) lines.push_back(line.substr(0, line.find(' ')));
  EXPECT_THAT(lines, ElementsAre("f.yaml:6:13:", "f.yaml:7:13:", "f.yaml:8:14:", "f.yaml:9:10:"));
}

TEST(ParseMonitors, ManyProblemsAreCut) {
  std::string body = kBody + "  exclude:\n";
  for (int i = 0; i < 5000; ++i) body += "    - bad..name\n";
  const MonitorFile file = ParseMonitors(Document(body));
  EXPECT_LE(file.problems.size(), 100u);
  EXPECT_THAT(Problems(Document(body)), HasSubstr("and 80 more"));
}

TEST(ParseMonitors, EachReadyMadeExampleIsValid) {
  namespace fs = std::filesystem;
  size_t monitors = 0;
  for (const auto& entry : fs::directory_iterator(PORTOLAN_SOURCE_DIR "/deploy/monitors")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    const MonitorFile file = ParseMonitors(text.str());
    EXPECT_TRUE(file.problems.empty())
        << Message(ProblemsStatus(entry.path().string(), file.problems));
    monitors += file.monitors.size();
    // What documents show must not reach anybody's network.
    for (const auto& m : file.monitors) {
      const auto allowed = ParseTargetNames({"192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"});
      for (const std::string& target : m.spec.targets) {
        const auto t = ParseTargetNames({target});
        ASSERT_TRUE(t.ok());
        EXPECT_TRUE(t->addresses.Minus(allowed->addresses).empty()) << target;
        for (const std::string& name : t->names) EXPECT_TRUE(name.ends_with("example.org")) << name;
      }
    }
  }
  EXPECT_GE(monitors, 5u);
}

TEST(ParseMonitors, ExampleOfTheDocumentationIsValid) {
  std::ifstream in(PORTOLAN_SOURCE_DIR "/docs/monitors.md");
  std::stringstream text;
  text << in.rdbuf();
  const std::string doc = text.str();
  const size_t begin = doc.find("```yaml\n"), end = doc.find("```\n", begin + 8);
  ASSERT_NE(end, doc.npos);
  const MonitorFile file = ParseMonitors(doc.substr(begin + 8, end - begin - 8));
  EXPECT_TRUE(file.problems.empty()) << Message(ProblemsStatus("", file.problems));
  ASSERT_EQ(file.monitors.size(), 1u);
  // It uses every section.
  const MonitorSpec& s = file.monitors[0].spec;
  EXPECT_FALSE(s.exclude.empty() || s.profiles.empty() || s.expectations.empty() ||
               s.canaries.open.empty() || s.webhooks.empty() || s.labels.empty());
}

TEST(ParseMonitors, EachMonitorOfTheDocumentationIsValid) {
  namespace fs = std::filesystem;
  std::vector<fs::path> pages = {PORTOLAN_SOURCE_DIR "/README.md"};
  for (const auto& entry : fs::directory_iterator(PORTOLAN_SOURCE_DIR "/docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  size_t monitors = 0;
  for (const fs::path& page : pages) {
    std::ifstream in(page);
    std::stringstream text;
    text << in.rdbuf();
    const std::string doc = text.str();
    for (size_t begin = 0; (begin = doc.find("```yaml\n", begin)) != doc.npos;) {
      const size_t end = doc.find("```\n", begin + 8);
      ASSERT_NE(end, doc.npos) << page;
      const std::string yaml = doc.substr(begin + 8, end - begin - 8);
      begin = end + 4;
      if (yaml.find("kind: Monitor") == yaml.npos) continue;
      const MonitorFile file = ParseMonitors(yaml);
      EXPECT_TRUE(file.problems.empty())
          << Message(ProblemsStatus(page.filename().string(), file.problems)) << "\n"
          << yaml;
      monitors += file.monitors.size();
    }
  }
  EXPECT_GE(monitors, 5u);
}

TEST(CheckMonitor, HoldsASpecToTheSameRules) {
  MonitorSpec spec = ParseMonitors(Document(kBody)).monitors[0].spec;
  EXPECT_TRUE(CheckMonitor(spec).ok());
  spec.ports = "90-80";
  EXPECT_THAT(std::string(Message(CheckMonitor(spec))), HasSubstr("spec.ports: "));
  spec.ports = "80";
  spec.confirmation.needed = 4;
  EXPECT_THAT(std::string(Message(CheckMonitor(spec))), HasSubstr("spec.confirmation.needed: "));
  spec.confirmation.needed = 1;
  spec.retention = std::chrono::hours(2) + std::chrono::microseconds(1);
  EXPECT_THAT(std::string(Message(CheckMonitor(spec))), HasSubstr("finer than a millisecond"));
  EXPECT_FALSE(CheckMonitor(MonitorSpec()).ok());
}

TEST(DiffMonitors, OneLineAChangedField) {
  MonitorSpec a = ParseMonitors(Document(kBody)).monitors[0].spec;
  EXPECT_TRUE(DiffMonitors(a, a).empty());
  MonitorSpec b = a;
  b.ports = "22,80";
  b.targets.push_back("192.0.2.77");
  b.schedule.every = std::chrono::minutes(10);
  b.vantages.insert(b.vantages.begin(), {"cloud", VantageRole::kOutside});
  EXPECT_THAT(DiffMonitors(a, b),
              ElementsAre("spec.schedule.every: 1h -> 10m", "+ spec.targets[1]: 192.0.2.77",
                          "+ spec.ports: 22,80", "+ spec.vantages[cloud].name: cloud",
                          "+ spec.vantages[cloud].role: outside"));
  EXPECT_EQ(DiffMonitors(b, a).size(), 5u);
  MonitorSpec c = b;
  std::swap(c.vantages[0], c.vantages[1]);
  EXPECT_THAT(DiffMonitors(b, c), ElementsAre("spec: entries in another order"));
}

TEST(MonitorDigest, StaysTheSameOverVersions) {
  // Written down: a changed digest would make every monitor look changed after an upgrade.
  MonitorSpec spec = ParseMonitors(Document(kBody)).monitors[0].spec;
  EXPECT_EQ(MonitorDigest(spec), "320fe3b67fd8412bd784bfeb05cb613c");
  spec.paused = true;
  EXPECT_NE(MonitorDigest(spec), "320fe3b67fd8412bd784bfeb05cb613c");
}

}  // namespace
}  // namespace portolan
