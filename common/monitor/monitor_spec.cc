#include "common/monitor/monitor_spec.h"

#include <algorithm>

#include "common/scan/timing_template.h"

namespace portolan {

ProbeTiming TimingOf(const MonitorRate& rate) {
  ProbeTiming t = TimingTemplateOf(std::min(rate.level, kTemplates - 1)).timing;
  if (rate.timeout) t.timeout = *rate.timeout;
  if (rate.min_timeout) t.min_timeout = *rate.min_timeout;
  // As a scan's: a shorter timeout alone shortens both.
  t.min_timeout = std::min(t.min_timeout, t.timeout);
  if (rate.retry_delay) t.retry_delay = *rate.retry_delay;
  if (rate.retries) t.retries = *rate.retries;
  if (rate.address_rate) t.address_rate = *rate.address_rate;
  if (rate.address_in_flight) t.address_in_flight = *rate.address_in_flight;
  if (rate.prefix_rate) t.prefix_rate = *rate.prefix_rate;
  // A limit that somebody wrote is a limit.
  if (rate.address_rate || rate.prefix_rate) t.growth = 1;
  if (rate.growth) t.growth = *rate.growth;
  return t;
}

double MaxRateOf(const MonitorRate& rate) {
  return rate.max_rate.value_or(TimingTemplateOf(std::min(rate.level, kTemplates - 1)).max_rate);
}

std::vector<std::string> RuleVantages(const ExpectationRule& rule, const MonitorSpec& spec) {
  std::vector<std::string> out;
  for (const MonitorVantage& v : spec.vantages) {
    const auto& named = rule.vantages;
    if (!named.empty() && std::find(named.begin(), named.end(), v.name) == named.end()) continue;
    if (rule.role.has_value() && *rule.role != v.role) continue;
    out.push_back(v.name);
  }
  return out;
}

std::vector<ExpectationRule> AllRules(const MonitorSpec& spec) {
  std::vector<ExpectationRule> out = spec.expectations;
  for (const ExpectationProfile& p : ExpectationProfiles()) {
    if (std::find(spec.profiles.begin(), spec.profiles.end(), p.rule.name) != spec.profiles.end()) {
      out.push_back(p.rule);
    }
  }
  for (ExpectationRule& rule : out) {
    if (rule.owner.empty()) rule.owner = spec.owner;
  }
  return out;
}

}  // namespace portolan
