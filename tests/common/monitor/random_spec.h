#pragma once

#include <random>
#include <string>
#include <vector>

#include "common/monitor/monitor_spec.h"

namespace portolan {

// Valid specs that use every field, drawn from a seed.
class RandomSpec {
 public:
  explicit RandomSpec(uint64_t seed) : rng_(seed) {}

  MonitorSpec Next() {
    using std::chrono::milliseconds;
    using std::chrono::minutes;
    MonitorSpec s;
    s.name = Pick({"web", "db-1", "0", "a-b-c", "true", "123", "x9"});
    if (Maybe()) s.owner = Text();
    for (int i = Below(4); i > 0; --i)
      s.labels[Pick({"team", "a/b", "x.y", "Tier", "1", "no"})] = Text();
    for (int i = 1 + Below(4); i > 0; --i)
      s.targets.push_back(
          Pick({"192.0.2.0/24", "2001:db8::1", "www.example.org", "192.0.2.1-192.0.2.9",
                "192.0.2.7:8080", "[2001:db8::2]:443", "198.51.100.1,3-5"}));
    for (int i = Below(3); i > 0; --i) s.exclude.push_back(Pick({"192.0.2.3", "host.example"}));
    s.ports = Pick({"top-100", "-", "22", "80,443", "http*,8000-8010", "well-known"});
    if (Maybe()) s.exclude_ports = Pick({"9100", "0,1-5"});
    s.vantages = {{"office", VantageRole::kInside}, {"cloud.east_1", VantageRole::kOutside}};
    if (Maybe()) {
      s.schedule.every = minutes(10 + Below(5000));
      if (Maybe()) s.schedule.at = minutes(Below(10));
      if (Maybe()) s.schedule.jitter = milliseconds(Below(60'000));
    } else {
      s.schedule.cron = Pick({"*/5 * * * *", "@daily", "30 6 * * mon-fri", "0 0 1 1 *"});
      if (Maybe()) s.schedule.time_zone = Pick({"UTC", "Europe/Berlin", "America/New_York"});
      if (Maybe()) s.schedule.jitter = minutes(Below(60));
    }
    MonitorRate& r = s.rate;
    if (Maybe()) r.max_rate = Pick<double>({0, 0.5, 1000, 1e8, 1.0 / 3});
    if (Maybe()) r.level = static_cast<uint32_t>(Below(6));
    if (Maybe()) r.timeout = milliseconds(50 + Below(59'000));
    if (Maybe()) r.min_timeout = milliseconds(10 + Below(59'000));
    if (Maybe()) r.retry_delay = milliseconds(Below(60'000));
    if (Maybe()) r.retries = static_cast<uint32_t>(Below(11));
    if (Maybe()) r.address_rate = Pick<double>({0, 10, 0.1});
    if (Maybe()) r.address_in_flight = static_cast<uint32_t>(Below(1000));
    if (Maybe()) r.prefix_rate = Pick<double>({0, 100.25});
    if (Maybe()) r.growth = static_cast<uint32_t>(1 + Below(1000));
    if (Maybe()) r.priority = static_cast<Priority>(1 + Below(3));
    if (Maybe()) s.overlap = OverlapPolicy::kQueue;
    if (Maybe()) s.retention = minutes(60 + Below(1'000'000));
    if (Maybe()) s.profiles = {"no-clear-text", "no-databases-from-outside"};
    for (int i = Below(4); i > 0; --i) s.expectations.push_back(Rule(i));
    if (Maybe()) s.confirmation = {5, static_cast<uint32_t>(1 + Below(5)), minutes(1 + Below(9))};
    if (Maybe()) {
      s.canaries.open = {"192.0.2.1:22", "[2001:db8::1]:443"};
      s.canaries.closed = {"host.example:9"};
    }
    if (Maybe()) s.webhooks = {"on-call", "chat"};
    s.paused = Maybe();
    return s;
  }

 private:
  ExpectationRule Rule(int number) {
    ExpectationRule r;
    r.name = "rule-" + std::to_string(number);
    r.action = static_cast<ExpectAction>(1 + Below(3));
    if (Maybe()) r.targets = {"192.0.2.0/28", "www.example.org"};
    if (Maybe() || r.action == ExpectAction::kMustBeOpen) r.ports = Pick({"22", "1-100,ssh"});
    if (Maybe()) r.services = {"database", "clear-text"};
    if (Maybe()) r.vantages = {"office"};
    if (Maybe()) r.role = VantageRole::kInside;
    r.severity = static_cast<Severity>(1 + Below(5));
    if (Maybe()) r.owner = Text();
    if (Maybe()) r.reason = Text();
    if (Maybe()) r.expires = FromUnixMicros(int64_t{1'000'000} * 86'400 * (20'000 + Below(9)));
    if (Maybe()) r.expires = FromUnixMicros(int64_t{1'000'000} * Below(1 << 30));
    return r;
  }
  std::string Text() {
    return Pick({"net@example.org", "yes", "1", "it's \"so\": # no", "\xC3\xA4\xF0\x9F\x98\x80",
                 "- x", " blank ", "null", "a\\b", "*", "2026-01-01"});
  }
  bool Maybe() { return (rng_() & 1) != 0; }
  int Below(int n) { return static_cast<int>(rng_() % static_cast<uint64_t>(n)); }
  template <typename T>
  T Pick(const std::vector<T>& of) {
    return of[rng_() % of.size()];
  }
  std::string Pick(std::initializer_list<const char*> of) {
    return *(of.begin() + rng_() % of.size());
  }

  std::mt19937_64 rng_;
};

}  // namespace portolan
