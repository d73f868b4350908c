#include "tests/integration/exposure_script.h"

#include <gtest/gtest.h>

namespace portolan::integration {
namespace {

std::string Host(int n) { return "198.19.0." + std::to_string(n); }
std::string Host6(int n) { return "2001:db8:ff::" + std::to_string(n); }

ExposureWorld Baseline() {
  ExposureWorld w;
  w.vantages = MonitorLab::Vantages();
  w.outside = {"internet"};
  for (int h = 1; h <= 8; ++h) {
    for (int port : {22, 80, 443}) w.listening.insert({Host(h), port});
    for (const char* vantage : {"dmz", "internet"})
      w.firewall[{vantage, {Host(h), 22}}] = Barrier::kDrop;
  }
  for (int h : {1, 2}) {
    for (int port : {80, 443}) w.listening.insert({Host6(h), port});
  }
  for (int h : {2, 3}) {
    w.listening.insert({Host(h), 3306});
    w.firewall[{"internet", {Host(h), 3306}}] = Barrier::kDrop;
  }
  w.listening.insert({Host(5), 5432});  // against the rules from the first run on
  return w;
}

const std::map<std::string, std::string> kSeverity = {{"no-databases-from-outside", "critical"},
                                                      {"no-remote-admin-from-outside", "high"},
                                                      {"web-is-up", "high"},
                                                      {"answers-everywhere", "low"}};

std::string Label(const Sample& s, const std::string& key) {
  const auto it = s.labels.find(key);
  return it == s.labels.end() ? "" : it->second;
}

}  // namespace

std::vector<ScriptStep> ExposureScript() {
  std::vector<ScriptStep> script = {{"baseline", Baseline()}};
  ExposureWorld w = script[0].world;
  w.listening.insert({Host(3), 8080});
  w.listening.insert({Host6(2), 8443});
  w.listening.erase({Host(6), 443});  // which must be open
  script.push_back({"ports open and close", w});

  w.firewall[{"internet", {Host(7), 80}}] = Barrier::kDrop;
  w.firewall[{"dmz", {Host(2), 443}}] = Barrier::kReset;
  w.firewall[{"internet", {Host6(2), 443}}] = Barrier::kProhibited;
  script.push_back({"firewalls stand in the way of one vantage each", w});

  w.answers_all.insert(Host(9));
  script.push_back({"a host answers on every port", w});

  w.listening.erase({Host(4), 443});
  w.listening.insert({Host(5), 8443});
  w.listening.insert({Host(6), 443});
  script.push_back({"a service moves, another one is back", w});

  w.answers_all.clear();
  w.firewall.erase({"internet", {Host(2), 3306}});
  w.firewall.erase({"internet", {Host(1), 22}});
  script.push_back({"that host goes, a firewall opens", w});
  script.push_back({"nothing happens", w});
  return script;
}

std::multiset<Complaint> FindingsOf(const ExposureWorld& world) {
  std::multiset<Complaint> out;
  for (const auto& [vantage, s] : world.Open()) {
    if (world.outside.count(vantage) == 0) continue;
    if (s.port == 3306 || s.port == 5432) {
      out.emplace("must-not-be-open", "no-databases-from-outside", vantage, s.address, s.port);
    } else if (s.port == 22) {
      out.emplace("must-not-be-open", "no-remote-admin-from-outside", vantage, s.address, s.port);
    }
  }
  for (const std::string& vantage : world.vantages) {
    if (!world.OpenFrom(vantage, {Host(6), 443}))
      out.emplace("must-be-open", "web-is-up", vantage, Host(6), 443);
    for (const std::string& host : world.answers_all)
      out.emplace("answers-everywhere", "answers-everywhere", vantage, host, -1);
  }
  return out;
}

void ExpectMetricsOf(const std::vector<Sample>& metrics, const ExposureWorld& world) {
  std::multiset<std::pair<std::string, Service>> open;
  std::map<std::pair<std::string, std::string>, double> findings, wanted_findings;
  std::map<std::string, double> exposed, missing, wanted_exposed, wanted_missing;
  double disagreements = -1;
  for (const Sample& s : metrics) {
    if (s.name == "portolan_port_open") {
      EXPECT_EQ(s.value, 1);
      open.insert({Label(s, "vantage"), {Label(s, "target"), std::stoi(Label(s, "port"))}});
    } else if (s.name == "portolan_findings") {
      findings[{Label(s, "severity"), Label(s, "rule")}] += s.value;
    } else if (s.name == "portolan_exposed_ports") {
      exposed[Label(s, "vantage")] += s.value;
    } else if (s.name == "portolan_missing_expected_ports") {
      missing[Label(s, "vantage")] += s.value;
    } else if (s.name == "portolan_vantage_disagreements") {
      disagreements = s.value;
    } else if (s.name == "portolan_series_dropped") {
      EXPECT_EQ(s.value, 0);
    }
  }
  std::multiset<std::pair<std::string, Service>> wanted_open;
  for (const auto& each : world.Open()) {
    wanted_open.insert(each);
    ++wanted_exposed[each.first];
  }
  for (const auto& [kind, rule, vantage, target, port] : FindingsOf(world)) {
    ++wanted_findings[{kSeverity.at(rule), rule}];
  }
  for (const std::string& vantage : world.vantages) {
    wanted_missing[vantage] = world.OpenFrom(vantage, {Host(6), 443}) ? 0 : 1;
  }
  EXPECT_EQ(open, wanted_open);
  EXPECT_EQ(findings, wanted_findings);
  EXPECT_EQ(exposed, wanted_exposed);
  EXPECT_EQ(missing, wanted_missing);
  EXPECT_EQ(disagreements, world.Disagreements());
}

void ExpectCountsOf(const std::vector<Sample>& metrics, const std::multiset<Change>& changes,
                    int complete_runs) {
  std::map<std::pair<std::string, std::string>, double> counted, wanted;
  for (const auto& [vantage, target, port, change] : changes) ++wanted[{vantage, change}];
  double unsettled = 0, runs = 0;
  for (const Sample& s : metrics) {
    if (s.name == "portolan_exposure_changes_total" && s.value != 0) {
      counted[{Label(s, "vantage"), Label(s, "change")}] = s.value;
    } else if (s.name == "portolan_exposure_settled_total") {
      unsettled += s.value;
    } else if (s.name == "portolan_monitor_runs_total") {
      runs += s.value;
      EXPECT_EQ(s.value, Label(s, "state") == "complete" ? complete_runs : 0) << Label(s, "state");
    }
  }
  EXPECT_EQ(counted, wanted);
  EXPECT_EQ(unsettled, 0) << "differences that became no event";
  EXPECT_EQ(runs, complete_runs);
}

}  // namespace portolan::integration
