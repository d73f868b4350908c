#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/monitor/terms.h"

namespace portolan {

enum class NotificationKind : uint8_t { kEvent, kFindingOpened, kFindingResolved, kTest };

// One thing that people are told, whatever the receiver and its format. Empty text and port 0: does
// not apply.
struct Notification {
  // Unique and stable: the same thing has the same id however often it is sent, so that a receiver
  // can drop what it has seen. 1 to 128 visible ASCII characters: it travels in a header.
  std::string id;
  NotificationKind kind = NotificationKind::kTest;
  WallTime time;                  // when it happened, was opened or was resolved
  std::optional<WallTime> since;  // of what is resolved: when it was opened
  std::string monitor;
  std::string vantage;
  std::string target;   // what was asked to be probed: the name, or the address where no name was
  std::string address;  // evidence; may change while target stays
  uint16_t port = 0;
  std::string service;   // "ssh"
  std::string from, to;  // states or classes: "closed", "open"
  Severity severity = Severity::kInfo;
  std::string rule;                           // the expectation that is violated
  std::string text;                           // one sentence for a person
  std::string remedy;                         // what to do
  std::vector<std::string> trail;             // how it was confirmed, a line a probe
  std::map<std::string, std::string> labels;  // the monitor's
  // Names of receivers that it goes to, as far as their filters let it pass; empty: all. Not kept:
  // what is stored waits for its receiver already.
  std::vector<std::string> receivers;

  friend bool operator==(const Notification&, const Notification&) = default;
};

std::string_view NotificationKindName(NotificationKind kind);  // "finding-opened"
std::optional<NotificationKind> ParseNotificationKind(std::string_view name);

// Whether it can travel in a header: see Notification::id.
bool IsNotificationId(std::string_view id);

// Largest encoded size: a webhook is a message, not a report.
inline constexpr size_t kMaxNotificationBytes = size_t{64} * 1024;

// How it is stored. InvalidArgument: the id cannot travel in a header, or all of it is too large.
absl::StatusOr<std::string> EncodeNotification(const Notification& notification);
// DataLoss: not what Encode wrote.
absl::StatusOr<Notification> DecodeNotification(std::string_view bytes);

// "2026-01-02T03:04:05.678901Z".
std::string FormatRfc3339(WallTime time);

}  // namespace portolan
