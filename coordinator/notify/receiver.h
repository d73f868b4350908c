#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "coordinator/notify/notification.h"
#include "coordinator/notify/notification_group.h"

namespace portolan {

enum class WebhookFormat : uint8_t { kPortolan, kAlertmanager, kSlack };

// Where a webhook goes. Nothing else is ever dialled: no redirect is followed, no proxy is used.
struct WebhookUrl {
  bool tls = false;
  std::string host;  // a name, or an address without brackets
  uint16_t port = 0;
  std::string target;  // path and query, begins with '/'

  // http or https; no user, no fragment. InvalidArgument otherwise; the message does not repeat
  // what follows the host, which may be a secret (Slack's are).
  static absl::StatusOr<WebhookUrl> Parse(std::string_view text);
  // Without the path, for logs and messages: "https://hooks.example:443".
  std::string Origin() const;
};

// What a receiver wants. A test message passes always.
struct WebhookFilter {
  Severity min_severity = Severity::kInfo;
  std::vector<NotificationKind> kinds;  // empty: all
  std::vector<std::string> monitors;    // names, '*' stands for any characters; empty: all

  bool Matches(const Notification& notification) const;
};

// Notifications that have the values of `by` in common are one message.
struct WebhookGrouping {
  // Between the first of a group and its message, unless the group is full before: a bound on the
  // delay, not a pause that must pass without news. kMinGroupWait to kMaxGroupWait.
  Duration wait{0};
  std::vector<GroupKey> by;  // at least one, each once
};
inline constexpr Duration kMinGroupWait = std::chrono::seconds(1);
inline constexpr Duration kMaxGroupWait = std::chrono::hours(1);

struct WebhookReceiver {
  std::string name;  // unique
  WebhookUrl url;
  WebhookFormat format = WebhookFormat::kPortolan;
  std::string secret;  // empty: not signed
  WebhookFilter filter;
  std::optional<WebhookGrouping> group;  // of what passes the filter; nullopt: each by itself
  std::vector<std::pair<std::string, std::string>> headers;  // beside ours
  Duration timeout = std::chrono::seconds(10);               // of a whole request
  Duration max_age = std::chrono::hours(24);  // of what cannot be delivered, then a dead letter
  std::string tls_ca_file;                    // PEM; empty: the system's
};

// All that is configured.
struct WebhookConfig {
  // What bodies link to; {id}, {monitor}, {vantage}, {target}, {address} and {port} are replaced,
  // percent-encoded. Empty: no link.
  std::string link;
  std::vector<WebhookReceiver> receivers;
};

// "edge-*" matches "edge-7".
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace portolan
