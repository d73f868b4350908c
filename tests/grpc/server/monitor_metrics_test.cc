#include "coordinator/server/monitor_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/fakes/sample_monitoring.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MonitorMetricsTest : public ::testing::Test {
 protected:
  MonitorMetricsTest() {
    FillSampleMetrics(monitoring_.metrics);
    FillSampleWebhooks(monitoring_.webhooks);
  }
  std::vector<prometheus::MetricFamily> Collect(size_t budget = 10'000) {
    return MonitorMetricsOf(monitoring_, {budget})->Collect();
  }
  std::string Text(size_t budget = 10'000) {
    return prometheus::TextSerializer().Serialize(Collect(budget));
  }
  MonitorMetrics& web() { return monitoring_.metrics.monitors[1]; }
  ReadOnlyMonitoring monitoring_;
};

TEST_F(MonitorMetricsTest, ShowsWhatIsExposedFromEachVantage) {
  const std::string text = Text();
  for (const char* line :
       {"portolan_exposed_ports{monitor=\"web\",vantage=\"office\",class=\"open-only-inside\","
        "expected=\"unspecified\",severity=\"\"} 5\n",
        "portolan_exposed_ports{monitor=\"web\",vantage=\"cloud\",class=\"open-from-some\","
        "expected=\"no\",severity=\"low\"} 1\n",
        // A zero that an alert can see fall to.
        "portolan_exposed_ports{monitor=\"web\",vantage=\"office\",class=\"open-everywhere\","
        "expected=\"no\",severity=\"\"} 0\n",
        "portolan_missing_expected_ports{monitor=\"web\",vantage=\"office\",severity=\"\"} 0\n",
        "portolan_missing_expected_ports{monitor=\"web\",vantage=\"office\",severity=\"high\"} 1\n",
        "portolan_vantage_disagreements{monitor=\"web\"} 6\n",
        "portolan_exposure_changes_total{monitor=\"web\",vantage=\"cloud\",change=\"opened\"} 7\n",
        "portolan_exposure_changes_total{monitor=\"web\",vantage=\"cloud\",change=\"filtered\"} "
        "1\n",
        "portolan_exposure_settled_total{monitor=\"web\",vantage=\"cloud\",result=\"flapping\"} "
        "8\n",
        "portolan_findings{monitor=\"web\",severity=\"critical\",rule=\"no-databases-from-"
        "outside\"} 1\n",
        "portolan_monitor_canary_state{monitor=\"web\",vantage=\"cloud\",state=\"quarantined\"} "
        "1\n",
        "portolan_monitor_canary_state{monitor=\"web\",vantage=\"cloud\",state=\"healthy\"} 0\n",
        "portolan_port_open{monitor=\"web\",target=\"10.0.0.1\",port=\"22\",service=\"ssh\","
        "vantage=\"office\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MonitorMetricsTest, AMonitorThatNeverRanHasNoTimes) {
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("portolan_monitor_last_success_timestamp_seconds{monitor=\"web\"}"));
  EXPECT_THAT(text, Not(HasSubstr("timestamp_seconds{monitor=\"idle\"}")));
  EXPECT_THAT(text, Not(HasSubstr("portolan_monitor_coverage_ratio{monitor=\"idle\"}")))
      << "0 would look like a run that saw nothing";
  EXPECT_THAT(text, Not(HasSubstr("portolan_monitor_interval_seconds{monitor=\"idle\"}")))
      << "by cron";
  EXPECT_THAT(text, HasSubstr("portolan_monitor_paused{monitor=\"idle\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("portolan_monitor_runs_total{monitor=\"idle\",state=\"complete\"} 0\n"));
}

TEST_F(MonitorMetricsTest, RunsAreCountedByWhatBecameOfThem) {
  const std::string text = Text();
  for (const char* end :
       {"state=\"complete\"} 40\n", "state=\"partial\"} 2\n", "state=\"failed\"} 1\n",
        "state=\"missed\"} 3\n", "state=\"skipped\"} 4\n"}) {
    EXPECT_THAT(text, HasSubstr(std::string("portolan_monitor_runs_total{monitor=\"web\",") + end));
  }
}

TEST_F(MonitorMetricsTest, TheTwentyPortsWithMostHostsAndTheRest) {
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("portolan_exposed_hosts{monitor=\"web\",port=\"30\"} 30\n"));
  EXPECT_THAT(text, HasSubstr("portolan_exposed_hosts{monitor=\"web\",port=\"11\"} 11\n"));
  EXPECT_THAT(text, Not(HasSubstr("portolan_exposed_hosts{monitor=\"web\",port=\"10\"}")));
  EXPECT_THAT(text, HasSubstr("portolan_exposed_hosts{monitor=\"web\",port=\"other\"} 55\n"));
  EXPECT_THAT(text, HasSubstr("portolan_exposed_hosts{monitor=\"idle\",port=\"other\"} 0\n"));
}

TEST_F(MonitorMetricsTest, TheBudgetHoldsOverAllMonitorsAndTheRestIsCounted) {
  monitoring_.metrics.monitors[0] = web();
  monitoring_.metrics.monitors[0].monitor = "first";
  for (const auto& [budget, first, second] :
       {std::tuple(0u, 10, 10), std::tuple(4u, 7, 9), std::tuple(100u, 7, 7)}) {
    size_t series = 0;
    for (const auto& family : Collect(budget)) {
      if (family.name == "portolan_port_open") series = family.metric.size();
    }
    EXPECT_EQ(series, std::min<size_t>(budget, 6));
    const std::string text = Text(budget);
    EXPECT_THAT(text,
                HasSubstr(fmt::format("portolan_series_dropped{{monitor=\"first\"}} {}\n", first)));
    EXPECT_THAT(text,
                HasSubstr(fmt::format("portolan_series_dropped{{monitor=\"web\"}} {}\n", second)));
  }
}

TEST_F(MonitorMetricsTest, Webhooks) {
  const std::string text = Text();
  for (const char* line :
       {"portolan_webhook_sent_total{receiver=\"chat\"} 20\n",
        "portolan_webhook_messages_total{receiver=\"chat\"} 6\n",
        "portolan_webhook_retries_total{receiver=\"chat\"} 3\n",
        "portolan_webhook_dead_letters_total{receiver=\"chat\"} 1\n",
        "portolan_webhook_pending{receiver=\"chat\"} 9\n",
        "portolan_webhook_gathering{receiver=\"chat\"} 7\n",
        "portolan_webhook_oldest_pending_seconds{receiver=\"chat\"} 90\n",
        "portolan_webhook_overflowed_total 5\n", "portolan_webhook_dropped_total 4\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// A line is a comment, or NAME{LABEL="VALUE",...} NUMBER with every quote, backslash and line end
// of a value escaped.
bool IsSound(const std::string& line) {
  if (line.empty() || line[0] == '#') return true;
  size_t at = line.find_first_of("{ ");
  if (at == std::string::npos) return false;
  if (line[at] == '{') {
    bool quoted = false;
    for (++at; at < line.size() && (quoted || line[at] != '}'); ++at) {
      if (line[at] == '\\') {
        ++at;
        if (at >= line.size() || std::string("\\\"n").find(line[at]) == std::string::npos)
          return false;
      } else if (line[at] == '"') {
        quoted = !quoted;
      }
    }
    if (at >= line.size()) return false;
    ++at;
  }
  char* end = nullptr;
  std::strtod(line.c_str() + at, &end);
  return line[at] == ' ' && end == line.c_str() + line.size();
}

TEST_F(MonitorMetricsTest, HostileLabelValuesCannotBreakAScrape) {
  const size_t lines = static_cast<size_t>(std::ranges::count(Text(), '\n'));
  const std::string hostile = "a\"} 1\nportolan_store_healthy 0\n\\\xff\xc3(\x01{\r\x80";
  web().monitor = hostile;
  web().vantages[hostile] = web().vantages["cloud"];
  web().vantages.erase("cloud");
  web().findings = {{{Severity::kLow, hostile}, 1}, {{Severity::kHigh, hostile + "\\"}, 1}};
  web().open_ports[0] = {{TargetKey::OfName(hostile), 22}, hostile};
  monitoring_.webhooks.receivers[0].name = hostile;
  const std::string text = Text();
  std::istringstream in(text);
  size_t read = 0;
  for (std::string line; std::getline(in, line); ++read) {
    EXPECT_TRUE(IsSound(line)) << line;
    EXPECT_NE(line.rfind("portolan_store_healthy", 0), 0u);
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c < 0x7F) << line;
  }
  EXPECT_EQ(read, lines);
  EXPECT_FALSE(IsSound("x{a=\"b\"} y")) << "the check itself";
}

// ---- the page and the program say the same ----

struct Row {
  std::string type, labels, help;
  bool operator==(const Row&) const = default;
};
void PrintTo(const Row& row, std::ostream* os) {
  *os << row.type << " {" << row.labels << "} " << row.help;
}

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" `");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" `") - begin + 1);
}

// "agent; state: open closed" -> "agent state"
std::string LabelNames(const std::string& text) {
  std::string out;
  std::istringstream in(text);
  for (std::string label; std::getline(in, label, ';');) {
    const std::string name = Trim(label.substr(0, label.find(':')));
    if (name != "-") out += (out.empty() ? "" : " ") + name;
  }
  return out;
}

std::map<std::string, Row> RowsOfThePage(const std::string& section) {
  std::ifstream in(PORTOLAN_SOURCE_DIR "/docs/metrics.md");
  std::map<std::string, Row> out;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("## ", 0) == 0) inside = line == "## " + section;
    if (!inside || line.rfind("| `", 0) != 0) continue;
    std::vector<std::string> cells;
    std::istringstream cell(line);
    for (std::string c; std::getline(cell, c, '|');) cells.push_back(c);
    if (cells.size() < 5) continue;
    out[Trim(cells[1])] = {Trim(cells[2]), LabelNames(cells[3]), Trim(cells[4])};
  }
  return out;
}

TEST_F(MonitorMetricsTest, TheDocumentedMetricsAreTheExportedOnes) {
  std::map<std::string, Row> exported;
  for (const prometheus::MetricFamily& family : Collect()) {
    Row& row = exported[family.name];
    row.type = family.type == prometheus::MetricType::Counter ? "counter" : "gauge";
    row.help = family.help;
    ASSERT_FALSE(family.metric.empty());
    for (const auto& label : family.metric[0].label) {
      row.labels += (row.labels.empty() ? "" : " ") + label.name;
    }
    for (const auto& metric : family.metric) {
      std::string names;
      for (const auto& label : metric.label) names += (names.empty() ? "" : " ") + label.name;
      EXPECT_EQ(names, row.labels) << family.name << ": one set of labels for all";
    }
    EXPECT_EQ(family.type == prometheus::MetricType::Counter,
              family.name.size() > 6 && family.name.substr(family.name.size() - 6) == "_total")
        << family.name;
  }
  const std::map<std::string, Row> documented = RowsOfThePage("Monitors");
  EXPECT_GT(documented.size(), 25u);
  for (const auto& [name, row] : exported) {
    const auto it = documented.find(name);
    if (it == documented.end()) {
      ADD_FAILURE() << "docs/metrics.md, Monitors, lacks\n| `" << name << "` | "
                    << ::testing::PrintToString(row);
    } else {
      EXPECT_EQ(it->second, row) << name;
    }
  }
  for (const auto& [name, row] : documented) {
    EXPECT_EQ(exported.count(name), 1u) << name << " is documented and not exported";
  }
}

TEST_F(MonitorMetricsTest, NoTwoSeriesAreTheSame) {
  std::set<std::string> seen;
  std::istringstream in(Text());
  for (std::string line; std::getline(in, line);) {
    if (line[0] == '#') continue;
    EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
}

}  // namespace
}  // namespace portolan
