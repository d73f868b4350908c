// What the coordinator exports while a monitor runs: what docs/metrics.md lists, no more and no
// less; and a real Prometheus that scrapes it has data for each query of the rules and dashboards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>

#include "tests/integration/exposure_script.h"
#include "tests/integration/monitor_lab.h"

namespace portolan::integration {
namespace {

// Type and labels of a metric; of a label, its values where these are a closed set.
struct Metric {
  std::string type;
  std::map<std::string, std::set<std::string>> labels;
};
using Catalogue = std::map<std::string, Metric>;

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" `"), end = text.find_last_not_of(" `");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) out.push_back(Trimmed(part));
  return out;
}

// The tables of docs/metrics.md but for the agent's.
Catalogue Documented() {
  Catalogue out;
  std::istringstream page(ReadFile(PORTOLAN_SOURCE_DIR "/docs/metrics.md"));
  for (std::string line; std::getline(page, line);) {
    if (line == "## portolan-agent") break;
    const std::vector<std::string> cells = Split(line, '|');
    if (cells.size() < 5 || line.rfind("| `", 0) != 0) continue;
    Metric& metric = out[cells[1]];
    metric.type = cells[2];
    if (cells[3] == "-") continue;
    for (const std::string& label : Split(cells[3], ';')) {
      const size_t colon = label.find(':');
      auto& values = metric.labels[label.substr(0, colon)];
      if (colon == std::string::npos) continue;
      for (const std::string& v : Split(label.substr(colon + 1), ' ')) {
        if (!v.empty()) values.insert(v);
      }
    }
  }
  return out;
}

// Adds a scrape to what was seen so far.
void AddScrape(const std::string& text, Catalogue& seen) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = Split(line, ' ');
    if (words.size() == 4 && words[0] == "#" && words[1] == "TYPE") seen[words[2]].type = words[3];
  }
  for (const Sample& s : ParseSamples(text)) {
    std::string name = s.name;
    if (seen.count(name) == 0) name = name.substr(0, name.rfind('_'));  // of a histogram
    for (const auto& [label, value] : s.labels) {
      if (label != "le") seen[name].labels[label].insert(value);
    }
  }
}

class MonitorMetrics : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = NetLab::Unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    WriteFile(dir_.path("webhooks.yaml"),
              "receivers: [{name: nobody, url: \"http://127.0.0.1:9/hook\"}]\n");
    lab_ = std::make_unique<MonitorLab>(
        script_[0].world, std::vector<std::string>{"--webhooks", dir_.path("webhooks.yaml")},
        "  webhooks: [nobody]\n");
    ASSERT_TRUE(lab_->Start());
    ASSERT_FALSE(lab_->RunAndSettle().is_null());
    ASSERT_TRUE(lab_->Become(script_[1].world));
  }

  TempDir dir_;
  std::vector<ScriptStep> script_ = ExposureScript();
  std::unique_ptr<MonitorLab> lab_;
};

TEST_F(MonitorMetrics, AreThoseOfTheCatalogue) {
  Catalogue seen;
  const int run = lab_->RunNow();
  ASSERT_TRUE(lab_->WaitForProgress(run, 0.1));
  AddScrape(lab_->fleet().Get("/metrics"), seen);  // scans are counted while they run only
  ASSERT_FALSE(lab_->WaitSettled(run).is_null());
  const auto findings = FindingsOf(script_[1].world);
  ASSERT_TRUE(Eventually(seconds(20), [&] { return lab_->Findings() == findings; }));
  AddScrape(lab_->fleet().Get("/metrics"), seen);

  const Catalogue documented = Documented();
  EXPECT_GT(documented.size(), 80u);
  for (const auto& [name, metric] : documented) {
    const auto it = seen.find(name);
    if (it == seen.end()) {
      ADD_FAILURE() << name << " is in docs/metrics.md and is not exported";
      continue;
    }
    EXPECT_EQ(it->second.type, metric.type) << name;
    for (const auto& [label, values] : metric.labels) {
      EXPECT_EQ(it->second.labels.count(label), 1u) << name << " has no label " << label;
    }
  }
  for (const auto& [name, metric] : seen) {
    const auto it = documented.find(name);
    if (it == documented.end()) {
      ADD_FAILURE() << name << " is exported and is not in docs/metrics.md";
      continue;
    }
    for (const auto& [label, values] : metric.labels) {
      const auto listed = it->second.labels.find(label);
      if (listed == it->second.labels.end()) {
        ADD_FAILURE() << name << ": the label " << label << " is not in docs/metrics.md";
        continue;
      }
      for (const std::string& value : values) {
        // To Prometheus a label without a value is one that is absent, so it is in no list.
        if (value.empty()) continue;
        EXPECT_TRUE(listed->second.empty() || listed->second.count(value) == 1)
            << name << ": " << label << "=\"" << value << "\" is not in docs/metrics.md";
      }
    }
  }
}

TEST_F(MonitorMetrics, AnswerEveryQueryOfTheRulesAndDashboards) {
  for (const char* program : {"prometheus", "python3"}) {
    if (RunToEnd({"sh", "-c", std::string("command -v ") + program}).code != 0)
      GTEST_SKIP() << program << " is not installed";
  }
  std::vector<std::string> argv = {PORTOLAN_SOURCE_DIR "/deploy/grafana/check.sh", PORTOLAN_BIN_DIR,
                                   "--coordinator", lab_->fleet().http()};
  for (const std::string& agent : MonitorLab::Agents())
    argv.insert(argv.end(), {"--agent", MonitorLab::HttpOf(agent)});
  argv.insert(argv.end(), {"--seconds", "25", "--", "--minutes", "2"});
  Process::Options options;
  options.netns = lab_->net().target();
  Process check(argv, dir_.path("check"), options);
  // While it scrapes, things happen.
  Eventually(seconds(120), [&] {
    lab_->RunAndSettle();
    return !check.Running();
  });
  if (check.Running()) {
    check.Signal(SIGTERM);  // it ends its Prometheus
    check.Wait(seconds(20));
  }
  EXPECT_EQ(check.Wait(seconds(0)), 0) << check.Out() << check.Err();
  EXPECT_THAT(check.Out(), testing::HasSubstr(" 0 without data"));
  // What may be absent elsewhere is there, but for tables of connections, and scans at a moment
  // between two of them.
  std::istringstream lines(check.Out());
  for (std::string line, expression; std::getline(lines, line); expression = line) {
    if (line.find("(may be: ") == std::string::npos) continue;
    EXPECT_THAT(expression, testing::ContainsRegex("conntrack|portolan_scan_"));
  }
}

}  // namespace
}  // namespace portolan::integration
