#include "coordinator/notify/notification.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr uint8_t kVersion = 1;

constexpr std::array<std::string_view, 4> kKindNames = {"event", "finding-opened",
                                                        "finding-resolved", "test"};

template <typename Enum, size_t n>
std::optional<Enum> Find(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

bool IsNotificationId(std::string_view id) {
  return !id.empty() && id.size() <= 128 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

std::string_view NotificationKindName(NotificationKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}
std::optional<NotificationKind> ParseNotificationKind(std::string_view name) {
  return Find<NotificationKind>(kKindNames, name);
}

absl::StatusOr<std::string> EncodeNotification(const Notification& n) {
  if (!IsNotificationId(n.id)) {
    return InvalidArgument("notification id \"{}\": give 1 to 128 visible ASCII characters", n.id);
  }
  ByteWriter out;
  out.Byte(kVersion);
  out.String(n.id);
  out.Byte(static_cast<uint8_t>(n.kind));
  out.Byte(static_cast<uint8_t>(n.severity));
  out.Signed(ToUnixMicros(n.time));
  out.Byte(n.since.has_value());
  out.Signed(n.since ? ToUnixMicros(*n.since) : 0);
  out.Varint(n.port);
  for (const std::string* s : {&n.monitor, &n.vantage, &n.target, &n.address, &n.service, &n.from,
                               &n.to, &n.rule, &n.text, &n.remedy}) {
    out.String(*s);
  }
  out.Varint(n.trail.size());
  for (const std::string& line : n.trail) out.String(line);
  out.Varint(n.labels.size());
  for (const auto& [key, value] : n.labels) {
    out.String(key);
    out.String(value);
  }
  if (out.size() > kMaxNotificationBytes) {
    return InvalidArgument("notification {}: {} bytes, at most {}: shorten its trail or text", n.id,
                           out.size(), kMaxNotificationBytes);
  }
  return out.Take();
}

absl::StatusOr<Notification> DecodeNotification(std::string_view bytes) {
  ByteReader in(bytes);
  Notification n;
  if (in.Byte() != kVersion) in.Fail();
  n.id = in.String();
  const uint8_t kind = in.Byte(), severity = in.Byte();
  if (kind >= kKindNames.size() || severity < 1 ||
      severity > static_cast<uint8_t>(Severity::kCritical))
    in.Fail();
  n.kind = static_cast<NotificationKind>(kind);
  n.severity = static_cast<Severity>(severity);
  n.time = FromUnixMicros(in.Signed());
  const bool has_since = in.Byte() != 0;
  const WallTime since = FromUnixMicros(in.Signed());
  if (has_since) n.since = since;
  const uint64_t port = in.Varint();
  if (port > 65535) in.Fail();
  n.port = static_cast<uint16_t>(port);
  for (std::string* s : {&n.monitor, &n.vantage, &n.target, &n.address, &n.service, &n.from, &n.to,
                         &n.rule, &n.text, &n.remedy}) {
    *s = in.String();
  }
  n.trail.resize(in.Count());
  for (std::string& line : n.trail) line = in.String();
  for (size_t left = in.Count(2); left > 0; --left) {
    std::string key(in.String());
    n.labels[std::move(key)] = in.String();
  }
  // What is decoded can be encoded again: a group is made of stored notifications.
  if (!in.done() || !IsNotificationId(n.id) || bytes.size() > kMaxNotificationBytes)
    return DataLoss("a stored notification of {} bytes is damaged", bytes.size());
  return n;
}

std::string FormatRfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const int64_t us = (time - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     us / 3'600'000'000, us / 60'000'000 % 60, us / 1'000'000 % 60, us % 1'000'000);
}

}  // namespace portolan
