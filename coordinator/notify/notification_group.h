#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/notify/notification.h"

// Notifications that one receiver is sent as one message. Pure.
namespace portolan {

// What the members of a group have in common.
enum class GroupKey : uint8_t { kMonitor, kVantage, kHost, kPort, kRule, kSeverity, kKind };

std::string_view GroupKeyName(GroupKey key);  // "monitor"
std::optional<GroupKey> ParseGroupKey(std::string_view name);
std::string GroupKeyNames();  // all of them: "monitor, vantage, ..."

// In the order of the receiver's `by`. A value is "" where it does not apply.
using GroupValues = std::vector<std::pair<GroupKey, std::string>>;
// The host is the target's name, or the address where no name was asked for.
GroupValues GroupValuesOf(const std::vector<GroupKey>& by, const Notification& notification);
// Equal exactly for equal values; the key under which a group gathers.
std::string EncodeGroupValues(const GroupValues& values);
// DataLoss: not what Encode wrote.
absl::StatusOr<GroupValues> DecodeGroupValues(std::string_view bytes);

// A group that is complete.
struct NotificationGroup {
  std::string id;  // as Notification::id
  GroupValues by;
  std::vector<Notification> members;  // at least one; the most severe first, then the oldest

  friend bool operator==(const NotificationGroup&, const NotificationGroup&) = default;
};

// Sorts the members and derives the id from the receiver's name and theirs: the same members are
// the same group, and two receivers' groups are never confused. `members` must not be empty.
NotificationGroup MakeGroup(std::string_view receiver, GroupValues by,
                            std::vector<Notification> members);
// A notification that did not gather (a test, one that a person sends again), in the form that a
// receiver with groups expects. Keeps its id.
NotificationGroup GroupOfOne(const std::vector<GroupKey>& by, const Notification& notification);

// A notification that says what all members have in common, as severe as the most severe of them
// and with the group's id. Times are those of the oldest (since) and the newest (time).
Notification CommonOf(const NotificationGroup& group);

// What waits for a receiver.
using WebhookMessage = std::variant<Notification, NotificationGroup>;
const std::string& MessageId(const WebhookMessage& message);
// How many notifications it holds.
uint64_t MessageCount(const WebhookMessage& message);

// How a group is stored. InvalidArgument: see EncodeNotification.
absl::StatusOr<std::string> EncodeGroup(const NotificationGroup& group);
// Either of them. DataLoss: neither.
absl::StatusOr<WebhookMessage> DecodeMessage(std::string_view bytes);

}  // namespace portolan
