#include "coordinator/notify/notification_group.h"

#include <fmt/ranges.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

// The first byte of a group; notifications begin with their version, a small number.
constexpr uint8_t kGroupMark = 'G';
constexpr uint8_t kGroupVersion = 1;

constexpr std::array<std::string_view, 7> kKeyNames = {"monitor", "vantage",  "host", "port",
                                                       "rule",    "severity", "kind"};

std::string ValueOf(GroupKey key, const Notification& n) {
  switch (key) {
    case GroupKey::kMonitor:
      return n.monitor;
    case GroupKey::kVantage:
      return n.vantage;
    case GroupKey::kHost:
      return n.target.empty() ? n.address : n.target;
    case GroupKey::kPort:
      return n.port == 0 ? std::string() : std::to_string(n.port);
    case GroupKey::kRule:
      return n.rule;
    case GroupKey::kSeverity:
      return std::string(Name(n.severity));
    case GroupKey::kKind:
      break;
  }
  return std::string(NotificationKindName(n.kind));
}

void PutValues(const GroupValues& values, ByteWriter& out) {
  out.Varint(values.size());
  for (const auto& [key, value] : values) {
    out.Byte(static_cast<uint8_t>(key));
    out.String(value);
  }
}

GroupValues TakeValues(ByteReader& in) {
  GroupValues values;
  for (size_t left = in.Count(2); left > 0; --left) {
    const uint8_t key = in.Byte();
    if (key >= kKeyNames.size()) in.Fail();
    values.emplace_back(static_cast<GroupKey>(key), in.String());
  }
  return values;
}

std::string IdOf(std::string_view receiver, const std::vector<Notification>& members) {
  std::string text(receiver);
  for (const Notification& n : members) text += "\n" + n.id;  // ids hold no line end
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string id = "group-";
  for (int i = 0; i < 16; ++i) id += fmt::format("{:02x}", digest[i]);
  return id;
}

}  // namespace

std::string_view GroupKeyName(GroupKey key) { return kKeyNames[static_cast<size_t>(key)]; }

std::optional<GroupKey> ParseGroupKey(std::string_view name) {
  const auto found = std::find(kKeyNames.begin(), kKeyNames.end(), name);
  if (found == kKeyNames.end()) return std::nullopt;
  return static_cast<GroupKey>(found - kKeyNames.begin());
}

std::string GroupKeyNames() { return fmt::format("{}", fmt::join(kKeyNames, ", ")); }

GroupValues GroupValuesOf(const std::vector<GroupKey>& by, const Notification& n) {
  GroupValues values;
  for (const GroupKey key : by) values.emplace_back(key, ValueOf(key, n));
  return values;
}

std::string EncodeGroupValues(const GroupValues& values) {
  ByteWriter out;
  PutValues(values, out);
  return out.Take();
}

absl::StatusOr<GroupValues> DecodeGroupValues(std::string_view bytes) {
  ByteReader in(bytes);
  GroupValues values = TakeValues(in);
  if (!in.done())
    return DataLoss("stored values of a group ({}) are damaged",
                    Counted(bytes.size(), "byte", "bytes"));
  return values;
}

NotificationGroup MakeGroup(std::string_view receiver, GroupValues by,
                            std::vector<Notification> members) {
  PORTOLAN_CHECK(!members.empty());
  std::sort(members.begin(), members.end(), [](const Notification& a, const Notification& b) {
    // The id last, so that the order does not depend on how the members came.
    return std::tie(b.severity, a.time, a.id) < std::tie(a.severity, b.time, b.id);
  });
  NotificationGroup group;
  group.id = IdOf(receiver, members);
  group.by = std::move(by);
  group.members = std::move(members);
  return group;
}

NotificationGroup GroupOfOne(const std::vector<GroupKey>& by, const Notification& notification) {
  return {notification.id, GroupValuesOf(by, notification), {notification}};
}

Notification CommonOf(const NotificationGroup& group) {
  PORTOLAN_CHECK(!group.members.empty());
  const Notification& first = group.members.front();
  Notification common;
  common.id = group.id;
  common.kind = first.kind;
  common.severity = first.severity;
  common.time = first.time;
  common.since = first.time;
  const auto shared = [&](auto field) {
    return std::all_of(group.members.begin(), group.members.end(),
                       [&](const Notification& n) { return n.*field == first.*field; });
  };
  for (const auto field : {&Notification::monitor, &Notification::vantage}) {
    if (shared(field)) common.*field = first.*field;
  }
  // An address says nothing without the target: other names may lead to it.
  if (shared(&Notification::target) && shared(&Notification::address)) {
    common.target = first.target;
    common.address = first.address;
  }
  if (shared(&Notification::port)) common.port = first.port;
  for (const Notification& n : group.members) {
    common.severity = std::max(common.severity, n.severity);
    common.time = std::max(common.time, n.time);
    common.since = std::min(*common.since, n.time);
  }
  return common;
}

const std::string& MessageId(const WebhookMessage& message) {
  return std::visit([](const auto& m) -> const std::string& { return m.id; }, message);
}

uint64_t MessageCount(const WebhookMessage& message) {
  const auto* group = std::get_if<NotificationGroup>(&message);
  return group == nullptr ? 1 : group->members.size();
}

absl::StatusOr<std::string> EncodeGroup(const NotificationGroup& group) {
  ByteWriter out;
  out.Byte(kGroupMark);
  out.Byte(kGroupVersion);
  out.String(group.id);
  PutValues(group.by, out);
  out.Varint(group.members.size());
  for (const Notification& n : group.members) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::string bytes, EncodeNotification(n));
    out.String(bytes);
  }
  return out.Take();
}

absl::StatusOr<WebhookMessage> DecodeMessage(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes.front()) != kGroupMark) {
    PORTOLAN_ASSIGN_OR_RETURN(Notification notification, DecodeNotification(bytes));
    return WebhookMessage(std::move(notification));
  }
  ByteReader in(bytes.substr(1));
  NotificationGroup group;
  if (in.Byte() != kGroupVersion) in.Fail();
  group.id = in.String();
  group.by = TakeValues(in);
  for (size_t left = in.Count(); left > 0; --left) {
    PORTOLAN_ASSIGN_OR_RETURN(Notification n, DecodeNotification(in.String()));
    group.members.push_back(std::move(n));
  }
  if (!in.done() || group.members.empty() || !IsNotificationId(group.id)) {
    return DataLoss("a stored group of {} bytes is damaged", bytes.size());
  }
  return WebhookMessage(std::move(group));
}

}  // namespace portolan
