#pragma once

#include <memory>
#include <string>

#include "tests/fakes/read_only_monitoring.h"

namespace portolan {

inline constexpr WallTime kSampleTime{std::chrono::microseconds(1'790'000'000'000'000)};

// A monitor with something in every field, and one that has never run.
inline void FillSampleMetrics(MonitoringMetrics& out) {
  out.when = kSampleTime;
  out.running = 1;
  MonitorMetrics web;
  web.monitor = "web";
  web.interval_s = 3600;
  web.last_success = kSampleTime - std::chrono::minutes(20);
  web.last_started = kSampleTime - std::chrono::minutes(25);
  web.run_duration_s = 301.5;
  web.coverage = 0.995;
  web.behind_s = 12;
  web.runs = {{RunState::kComplete, 40}, {RunState::kPartial, 2}, {RunState::kFailed, 1}};
  web.missed = 3;
  web.skipped = 4;
  MonitorMetrics::Vantage& office = web.vantages["office"];
  office.canaries = CanaryState::kHealthy;
  office.exposed = {{{ExposureClass::kOpenEverywhere, Expected::kYes}, 2},
                    {{ExposureClass::kOpenOnlyInside, Expected::kUnspecified}, 5}};
  office.missing_expected = {{Severity::kHigh, 1}};
  MonitorMetrics::Vantage& cloud = web.vantages["cloud"];
  cloud.canaries = CanaryState::kQuarantined;
  cloud.exposed = {{{ExposureClass::kOpenEverywhere, Expected::kYes}, 2},
                   {{ExposureClass::kOpenFromSome, Expected::kNo, Severity::kLow}, 1}};
  cloud.changes = {7, 2, 1, 0, 0};
  cloud.transient = 9;
  cloud.flapping = 8;
  cloud.abandoned = 6;
  cloud.confirming = 3;
  web.findings = {{{Severity::kCritical, "no-databases-from-outside"}, 1},
                  {{Severity::kHigh, "vantage-quarantined"}, 1}};
  web.disagreements = 6;
  for (uint16_t port = 30; port > 10; --port) web.hosts_by_port.top.emplace_back(port, port);
  web.hosts_by_port.others = 55;
  const TargetKey host = TargetKey::Of(*IpAddress::Parse("10.0.0.1"));
  web.open_ports = {{{host, 22}, "office"}, {{host, 443}, "cloud"}, {{host, 443}, "office"}};
  web.open_ports_total = 10;
  MonitorMetrics idle;
  idle.monitor = "idle";
  idle.paused = true;
  out.monitors = {idle, web};
}

inline void FillSampleWebhooks(WebhookStats& out) {
  WebhookReceiverStats chat;
  chat.name = "chat";
  chat.sent = 20;
  chat.messages = 6;
  chat.retried = 3;
  chat.failed = 1;
  chat.waiting.pending = 9;
  chat.waiting.gathering = 7;
  chat.waiting.dead = 1;
  chat.oldest_pending_age = std::chrono::seconds(90);
  out.receivers = {chat};
  out.losses = {5, 4, 1};
}

}  // namespace portolan
