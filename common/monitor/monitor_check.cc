#include <algorithm>
#include <set>

#include "common/base/counted.h"
#include "common/base/duration_text.h"
#include "common/base/status.h"
#include "common/monitor/monitor_fields.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

using literal::Printable;

class Checker {
 public:
  explicit Checker(const MonitorSpec& spec) : spec_(spec) {}

  std::vector<MonitorProblem> Check() {
    CheckVantages();
    CheckSchedule();
    CheckRules();
    CheckProfiles();
    CheckRest();
    return std::move(problems_);
  }

 private:
  template <typename... Args>
  void Fail(std::string path, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({0, 0, std::move(path), fmt::format(format, std::forward<Args>(args)...)});
  }

  bool HasRole(VantageRole role) const {
    return std::any_of(spec_.vantages.begin(), spec_.vantages.end(),
                       [&](const MonitorVantage& v) { return v.role == role; });
  }

  void CheckVantages() {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < spec_.vantages.size(); ++i) {
      const std::string& name = spec_.vantages[i].name;
      if (!seen.insert(name).second)
        Fail(fmt::format("spec.vantages[{}].name", i), "vantage \"{}\" is there twice; remove one",
             name);
    }
  }

  void CheckSchedule() {
    const MonitorSchedule& s = spec_.schedule;
    if (s.every.has_value() == !s.cron.empty()) {
      return Fail("spec.schedule", "{}",
                  s.every ? "both every and cron are given; remove one"
                          : "neither every nor cron is given; add one, as in every: 1h");
    }
    if (s.at.has_value() && !s.every)
      Fail("spec.schedule.at", "at belongs to every; write the time into the cron expression");
    if (s.at.has_value() && s.every && *s.at >= *s.every) {
      Fail("spec.schedule.at", "at {} is not below every {}; it is an offset into the interval",
           DurationText(*s.at), DurationText(*s.every));
    }
    if (s.every && s.jitter >= *s.every) {
      Fail("spec.schedule.jitter", "jitter {} is not below every {}", DurationText(s.jitter),
           DurationText(*s.every));
    }
    if (s.every && s.time_zone != "UTC") {
      Fail("spec.schedule.timeZone",
           "a time zone belongs to cron; every counts elapsed time: remove \"{}\"", s.time_zone);
    }
  }

  void CheckRules() {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < spec_.expectations.size(); ++i) {
      const ExpectationRule& rule = spec_.expectations[i];
      const std::string path = fmt::format("spec.expectations[{}]", i);
      if (!seen.insert(rule.name).second)
        Fail(path + ".name", "expectation \"{}\" is there twice; findings need different names",
             rule.name);
      if (FindProfile(rule.name) != nullptr)
        Fail(path + ".name", "expectation \"{}\" has the name of a profile; choose another",
             rule.name);
      if (rule.action == ExpectAction::kMustBeOpen && rule.ports.empty()) {
        Fail(path + ".action",
             "must-be-open without ports would ask for every port of a class or of the monitor; "
             "write them under ports");
      }
      bool known = true;
      for (size_t j = 0; j < rule.vantages.size(); ++j) {
        const bool has = std::any_of(spec_.vantages.begin(), spec_.vantages.end(),
                                     [&](const auto& v) { return v.name == rule.vantages[j]; });
        known &= has;
        if (!has) {
          Fail(fmt::format("{}.vantages[{}]", path, j),
               "vantage \"{}\" is none of the monitor's; add it under spec.vantages, or write one "
               "of: "
               "{}",
               rule.vantages[j], Vantages());
        }
      }
      if (known && !spec_.vantages.empty() && RuleVantages(rule, spec_).empty()) {
        Fail(path + (rule.role ? ".role" : ""),
             "no vantage of the rule is {}; correct the role here or under spec.vantages",
             rule.role ? Name(*rule.role) : "there");
      }
    }
  }

  std::string Vantages() const {
    std::string out;
    for (const MonitorVantage& v : spec_.vantages) out += (out.empty() ? "" : ", ") + v.name;
    return out;
  }

  void CheckProfiles() {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < spec_.profiles.size(); ++i) {
      const std::string path = fmt::format("spec.profiles[{}]", i);
      const ExpectationProfile* p = FindProfile(spec_.profiles[i]);
      if (!seen.insert(spec_.profiles[i]).second)
        Fail(path, "profile \"{}\" is there twice; remove one", spec_.profiles[i]);
      if (p != nullptr && p->rule.role && !HasRole(*p->rule.role)) {
        Fail(path, "profile \"{}\" needs a vantage whose role is {}; add one, or remove it",
             spec_.profiles[i], Name(*p->rule.role));
      }
    }
  }

  void CheckRest() {
    if (spec_.targets.empty() && spec_.targets_file.empty()) {
      Fail("spec",
           "spec has no \"targets\"; add it: addresses, networks, ranges and names to scan; or "
           "targetsFrom, with a file");
    }
    const ConfirmationRule& c = spec_.confirmation;
    if (c.needed > c.probes) {
      Fail("spec.confirmation.needed", "needed {} is above probes {}; nothing could be confirmed",
           c.needed, c.probes);
    }
    const MonitorCanaries& canaries = spec_.canaries;
    const size_t n = canaries.open.size() + canaries.closed.size();
    if (n > 0 && n < 3) {
      Fail("spec.canaries",
           "{} no quorum; give three or more in all, or none: then they are chosen "
           "from "
           "the baseline",
           Counted(n, "canary is", "canaries are"));
    }
    std::set<std::pair<std::string, uint16_t>> seen;
    const auto once = [&](const std::vector<std::string>& list, const char* key) {
      for (size_t i = 0; i < list.size(); ++i) {
        const auto endpoint = ParseEndpointText(list[i]);
        if (endpoint.ok() && !seen.emplace(endpoint->host, endpoint->port).second) {
          Fail(fmt::format("spec.canaries.{}[{}]", key, i),
               "canary \"{}\" is there twice; a quorum needs different ones", Printable(list[i]));
        }
      }
    };
    once(canaries.open, "open");
    once(canaries.closed, "closed");
    std::set<std::string_view> webhooks;
    for (size_t i = 0; i < spec_.webhooks.size(); ++i) {
      if (!webhooks.insert(spec_.webhooks[i]).second)
        Fail(fmt::format("spec.webhooks[{}]", i), "webhook \"{}\" is there twice; remove one",
             spec_.webhooks[i]);
    }
  }

  const MonitorSpec& spec_;
  std::vector<MonitorProblem> problems_;
};

}  // namespace

std::vector<MonitorProblem> CheckAcrossFields(const MonitorSpec& spec) {
  return Checker(spec).Check();
}

}  // namespace portolan
