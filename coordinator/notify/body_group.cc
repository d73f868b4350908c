// Messages that tell of many notifications.
#include <algorithm>
#include <array>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/monitor/date_text.h"
#include "coordinator/notify/body.h"
#include "coordinator/notify/body_json.h"

namespace portolan {
namespace {

constexpr std::array kKinds = {NotificationKind::kEvent, NotificationKind::kFindingOpened,
                               NotificationKind::kFindingResolved, NotificationKind::kTest};
constexpr std::array kSeverities = {Severity::kCritical, Severity::kHigh, Severity::kMedium,
                                    Severity::kLow, Severity::kInfo};
constexpr size_t kMaxSlackLine = 180;  // ten of them are shown where one notification has 2,000

size_t CountKind(const NotificationGroup& group, NotificationKind kind) {
  return static_cast<size_t>(std::count_if(group.members.begin(), group.members.end(),
                                           [&](const Notification& n) { return n.kind == kind; }));
}

size_t CountSeverity(const NotificationGroup& group, Severity severity) {
  return static_cast<size_t>(
      std::count_if(group.members.begin(), group.members.end(),
                    [&](const Notification& n) { return n.severity == severity; }));
}

size_t Shown(const NotificationGroup& group) {
  return std::min(group.members.size(), kShownOfGroup);
}

std::string KindsText(const NotificationGroup& group) {
  std::string text;
  const auto add = [&](NotificationKind kind, std::string_view one, std::string_view many) {
    const size_t n = CountKind(group, kind);
    if (n > 0) text += (text.empty() ? "" : ", ") + Counted(n, one, many);
  };
  add(NotificationKind::kEvent, "event", "events");
  add(NotificationKind::kFindingOpened, "finding opened", "findings opened");
  add(NotificationKind::kFindingResolved, "finding resolved", "findings resolved");
  add(NotificationKind::kTest, "test", "tests");
  return text;
}

std::string SeveritiesText(const NotificationGroup& group) {
  std::string text;
  for (const Severity severity : kSeverities) {
    const size_t n = CountSeverity(group, severity);
    if (n > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", Grouped(n), Name(severity));
  }
  return text;
}

std::string RenderPortolan(const NotificationGroup& group, std::string_view link) {
  const Notification common = CommonOf(group);
  Json body;
  body["version"] = kWebhookBodyVersion;
  body["id"] = group.id;
  body["kind"] = "group";
  body["time"] = FormatRfc3339(common.time);
  body["since"] = FormatRfc3339(*common.since);
  body["severity"] = Name(common.severity);
  body["by"] = Json::object();
  for (const auto& [key, value] : group.by) body["by"][std::string(GroupKeyName(key))] = value;
  Json& counts = body["counts"];
  counts["total"] = group.members.size();
  for (const NotificationKind kind : kKinds) {
    counts["kinds"][std::string(NotificationKindName(kind))] = CountKind(group, kind);
  }
  for (const Severity severity : kSeverities) {
    counts["severities"][std::string(Name(severity))] = CountSeverity(group, severity);
  }
  body["text"] = WebhookSummary(group);
  body["notifications"] = Json::array();
  for (size_t i = 0; i < Shown(group); ++i) {
    body["notifications"].push_back(PortolanJson(group.members[i], link));
  }
  body["not_shown"] = group.members.size() - Shown(group);
  body["link"] = RenderWebhookLink(link, common);
  body["command"] = WebhookCommand(group);
  return DumpJson(body);
}

std::string RenderAlertmanager(const NotificationGroup& group, std::string_view link) {
  // In the order in which they happened: of two alerts with the same labels in one request, the
  // later one is to stay.
  std::vector<const Notification*> members;
  for (const Notification& n : group.members) members.push_back(&n);
  std::stable_sort(members.begin(), members.end(),
                   [](const auto* a, const auto* b) { return a->time < b->time; });
  Json alerts = Json::array();
  for (const Notification* n : members) alerts.push_back(AlertJson(*n, link));
  return DumpJson(alerts);
}

std::string RenderSlack(const NotificationGroup& group, std::string_view link) {
  const Notification common = CommonOf(group);
  const std::string summary = SlackText(WebhookSummary(group));
  Json fields = Json::array();
  for (const auto& [key, value] : group.by) {
    std::string title(GroupKeyName(key));
    title[0] = static_cast<char>(title[0] - 'a' + 'A');
    AddSlackField(title, value, true, fields);
  }
  AddSlackField("What", KindsText(group), false, fields);
  AddSlackField("How severe", SeveritiesText(group), false, fields);
  std::string lines;
  for (size_t i = 0; i < Shown(group); ++i) {
    const Notification& n = group.members[i];
    lines += fmt::format("{}{}: {}", i == 0 ? "" : "\n", Name(n.severity),
                         WebhookSummary(n).substr(0, kMaxSlackLine));
  }
  const size_t rest = group.members.size() - Shown(group);
  if (rest > 0) lines += fmt::format("\nand {} more", Grouped(rest));
  AddSlackField(rest > 0 ? "The most severe" : "All of them", lines, false, fields);
  AddSlackField("Command", WebhookCommand(group), false, fields);

  Json attachment;
  const bool resolved =
      CountKind(group, NotificationKind::kFindingResolved) == group.members.size();
  attachment["color"] = SlackColour(resolved, common.severity);
  attachment["fallback"] = summary;
  const std::string url = RenderWebhookLink(link, common);
  if (!url.empty()) {
    attachment["title"] = "Open in Portolan";
    attachment["title_link"] = url;
  }
  attachment["fields"] = std::move(fields);
  attachment["footer"] = SlackText("portolan " + group.id);
  attachment["ts"] =
      std::chrono::floor<std::chrono::seconds>(common.time).time_since_epoch().count();
  Json body;
  body["text"] = fmt::format("*Exposure* ({}): {}", Name(common.severity), summary);
  body["attachments"] = Json::array({std::move(attachment)});
  return DumpJson(body);
}

// Part of a command line without quotes.
bool IsPlain(std::string_view name) {
  return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

std::string WebhookSummary(const NotificationGroup& group) {
  if (group.members.size() == 1) return WebhookSummary(group.members[0]);
  std::string by;
  for (const auto& [key, value] : group.by) {
    if (!value.empty())
      by += fmt::format("{}{} {}", by.empty() ? "" : ", ", GroupKeyName(key), value);
  }
  return fmt::format("{}{}: {}", Counted(group.members.size(), "notification", "notifications"),
                     by.empty() ? "" : fmt::format(" ({})", by), KindsText(group));
}

std::string WebhookCommand(const NotificationGroup& group) {
  if (CountKind(group, NotificationKind::kTest) == group.members.size()) return "";
  const Notification common = CommonOf(group);
  const bool one = IsPlain(common.monitor);
  if (CountKind(group, NotificationKind::kEvent) == 0) {
    // Findings come and go without an event, when a rule or a vantage changes.
    return one ? fmt::format("portolan findings {} --resolved", common.monitor)
               : std::string("portolan findings --resolved");
  }
  const std::string day = DateText(std::chrono::floor<std::chrono::days>(*common.since));
  return one ? fmt::format("portolan events {} --since {}", common.monitor, day)
             : fmt::format("portolan events --since {}", day);
}

std::string RenderWebhookBody(WebhookFormat format, const NotificationGroup& group,
                              std::string_view link) {
  switch (format) {
    case WebhookFormat::kAlertmanager:
      return RenderAlertmanager(group, link);
    case WebhookFormat::kSlack:
      // People read it: one thing is told as one thing.
      return group.members.size() == 1 ? RenderWebhookBody(format, group.members[0], link)
                                       : RenderSlack(group, link);
    case WebhookFormat::kPortolan:
      break;
  }
  return RenderPortolan(group, link);
}

std::string RenderWebhookMessage(const WebhookReceiver& receiver, const WebhookMessage& message,
                                 std::string_view link) {
  if (const auto* group = std::get_if<NotificationGroup>(&message)) {
    return RenderWebhookBody(receiver.format, *group, link);
  }
  const Notification& n = std::get<Notification>(message);
  if (!receiver.group) return RenderWebhookBody(receiver.format, n, link);
  return RenderWebhookBody(receiver.format, GroupOfOne(receiver.group->by, n), link);
}

}  // namespace portolan
