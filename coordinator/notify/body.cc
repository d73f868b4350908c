#include "coordinator/notify/body.h"

#include <chrono>

#include "common/base/status.h"
#include "coordinator/notify/body_json.h"

namespace portolan {
namespace {

// How long an alert fires unless it is resolved before. Alertmanager forgets an alert without an
// end after its resolve_timeout (5 min), and a webhook is sent once. A change is a moment, and is
// shown for an hour; a finding stays until it is resolved.
constexpr auto kEventFires = std::chrono::hours(1);
constexpr auto kTestFires = std::chrono::minutes(5);
constexpr auto kFindingFires = std::chrono::hours(24 * 365);

// Slack cuts off longer ones itself, in the middle of an escape.
constexpr size_t kMaxSlackText = 2000;
constexpr size_t kMaxSlackTrail = 20;

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string HostPort(const Notification& n) {
  const std::string& host = n.target.empty() ? n.address : n.target;
  if (n.port == 0 || host.empty()) return host;
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, n.port) : fmt::format("{}:{}", host, n.port);
}

}  // namespace

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json PortolanJson(const Notification& n, std::string_view link) {
  Json body;
  body["version"] = kWebhookBodyVersion;
  body["id"] = n.id;
  body["kind"] = NotificationKindName(n.kind);
  body["time"] = FormatRfc3339(n.time);
  body["since"] = n.since ? Json(FormatRfc3339(*n.since)) : Json(nullptr);
  body["severity"] = Name(n.severity);
  body["monitor"] = n.monitor;
  body["vantage"] = n.vantage;
  body["target"] = n.target;
  body["address"] = n.address;
  body["port"] = n.port == 0 ? Json(nullptr) : Json(n.port);
  body["service"] = n.service;
  body["from"] = n.from;
  body["to"] = n.to;
  body["rule"] = n.rule;
  body["text"] = WebhookSummary(n);
  body["remedy"] = n.remedy;
  body["trail"] = n.trail;
  body["labels"] = n.labels;
  body["link"] = RenderWebhookLink(link, n);
  return body;
}

namespace {

// Letters, digits and underscores, not a digit first: what Alertmanager takes as a label's name.
std::string LabelName(std::string_view key) {
  std::string name;
  for (const char c : key) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && name.empty()) name += '_';
    name += letter || digit ? c : '_';
  }
  return name;
}

}  // namespace

Json AlertJson(const Notification& n, std::string_view link) {
  // Labels are what makes two alerts the same: only what does not change between opened and
  // resolved. An empty label is the same as none.
  Json labels = Json::object();
  const auto label = [&](const std::string& name, std::string_view value) {
    if (!name.empty() && !value.empty()) labels[name] = value;
  };
  // First, so that ours win.
  for (const auto& [key, value] : n.labels) label(LabelName(key), value);
  const bool finding =
      n.kind == NotificationKind::kFindingOpened || n.kind == NotificationKind::kFindingResolved;
  label("alertname", finding                              ? "PortolanFinding"
                     : n.kind == NotificationKind::kEvent ? "PortolanExposureChange"
                                                          : "PortolanTest");
  label("severity", Name(n.severity));
  label("monitor", n.monitor);
  label("vantage", n.vantage);
  label("target", n.target.empty() ? n.address : n.target);
  if (n.port != 0) label("port", std::to_string(n.port));
  label("service", n.service);
  label("rule", n.rule);
  if (n.kind == NotificationKind::kEvent) {
    label("from", n.from);
    label("to", n.to);
  }

  Json annotations = Json::object();
  const auto annotation = [&](const char* name, std::string_view value) {
    if (!value.empty()) annotations[name] = value;
  };
  annotation("summary", WebhookSummary(n));
  annotation("remedy", n.remedy);
  annotation("address", n.address);
  annotation("from", n.from);
  annotation("to", n.to);
  std::string trail;
  for (const std::string& line : n.trail) trail += (trail.empty() ? "" : "\n") + line;
  annotation("trail", trail);
  annotation("id", n.id);

  WallTime starts = n.time, ends = n.time;
  switch (n.kind) {
    case NotificationKind::kEvent:
      ends += kEventFires;
      break;
    case NotificationKind::kFindingOpened:
      ends += kFindingFires;
      break;
    case NotificationKind::kFindingResolved:
      starts = std::min(n.since.value_or(n.time), n.time);
      break;
    case NotificationKind::kTest:
      ends += kTestFires;
      break;
  }
  Json alert;
  alert["labels"] = std::move(labels);
  alert["annotations"] = std::move(annotations);
  alert["startsAt"] = FormatRfc3339(starts);
  alert["endsAt"] = FormatRfc3339(ends);
  const std::string url = RenderWebhookLink(link, n);
  if (!url.empty()) alert["generatorURL"] = url;
  return alert;
}

// Slack's three control characters; a name in a certificate or a banner must not become a link or
// call @channel.
std::string SlackText(std::string_view text) {
  const bool cut = text.size() > kMaxSlackText;
  std::string out;
  for (const char c : text.substr(0, kMaxSlackText)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return cut ? out + " ..." : out;
}

void AddSlackField(std::string_view title, std::string_view value, bool is_short, Json& fields) {
  if (value.empty()) return;
  Json field;
  field["title"] = title;
  field["value"] = SlackText(value);
  field["short"] = is_short;
  fields.push_back(std::move(field));
}

std::string_view SlackColour(bool resolved, Severity severity) {
  if (resolved) return "#2eb67d";
  switch (severity) {
    case Severity::kCritical:
    case Severity::kHigh:
      return "#e01e5a";
    case Severity::kMedium:
      return "#ecb22e";
    default:
      return "#36c5f0";
  }
}

namespace {

std::string_view SlackTitle(NotificationKind kind) {
  switch (kind) {
    case NotificationKind::kEvent:
      return "Exposure changed";
    case NotificationKind::kFindingOpened:
      return "Finding";
    case NotificationKind::kFindingResolved:
      return "Resolved";
    default:
      return "Test";
  }
}

std::string RenderSlack(const Notification& n, std::string_view link) {
  const std::string summary = SlackText(WebhookSummary(n));
  Json fields = Json::array();
  const auto field = [&](const char* title, std::string_view value, bool is_short) {
    AddSlackField(title, value, is_short, fields);
  };
  field("Monitor", n.monitor, true);
  field("Vantage", n.vantage, true);
  field("Target", HostPort(n), true);
  if (n.address != n.target) field("Address", n.target.empty() ? "" : n.address, true);
  field("Service by port number", n.service, true);
  field("From", n.from, true);
  field("To", n.to, true);
  field("Severity", Name(n.severity), true);
  field("Rule", n.rule, true);
  field("What to do", n.remedy, false);
  std::string trail;
  for (size_t i = 0; i < n.trail.size() && i < kMaxSlackTrail; ++i) {
    trail += (i == 0 ? "" : "\n") + n.trail[i];
  }
  field("How it is known", trail, false);

  Json attachment;
  attachment["color"] = SlackColour(n.kind == NotificationKind::kFindingResolved, n.severity);
  attachment["fallback"] = summary;
  const std::string url = RenderWebhookLink(link, n);
  if (!url.empty()) {
    attachment["title"] = "Open in Portolan";
    attachment["title_link"] = url;
  }
  attachment["fields"] = std::move(fields);
  attachment["footer"] = SlackText("portolan " + n.id);
  attachment["ts"] = std::chrono::floor<std::chrono::seconds>(n.time).time_since_epoch().count();
  Json body;
  body["text"] = fmt::format("*{}* ({}): {}", SlackTitle(n.kind), Name(n.severity), summary);
  body["attachments"] = Json::array({std::move(attachment)});
  return DumpJson(body);
}

}  // namespace

std::string WebhookSummary(const Notification& n) {
  if (!n.text.empty()) return n.text;
  std::string out = HostPort(n);
  if (out.empty()) out = n.monitor;
  if (!n.from.empty() || !n.to.empty()) out += fmt::format(": {} -> {}", n.from, n.to);
  if (!n.vantage.empty()) out += fmt::format(", seen from {}", n.vantage);
  return out.empty() ? std::string(NotificationKindName(n.kind)) : out;
}

std::string RenderWebhookLink(std::string_view link, const Notification& n) {
  std::string out;
  while (!link.empty()) {
    const size_t open = link.find('{');
    out += link.substr(0, open);
    if (open == std::string_view::npos) break;
    link.remove_prefix(open);
    const size_t close = link.find('}');
    const std::string_view name = link.substr(0, close == std::string_view::npos ? 0 : close + 1);
    if (name == "{id}") {
      out += PercentEncode(n.id);
    } else if (name == "{monitor}") {
      out += PercentEncode(n.monitor);
    } else if (name == "{vantage}") {
      out += PercentEncode(n.vantage);
    } else if (name == "{target}") {
      out += PercentEncode(n.target.empty() ? n.address : n.target);
    } else if (name == "{address}") {
      out += PercentEncode(n.address);
    } else if (name == "{port}") {
      out += n.port == 0 ? "" : std::to_string(n.port);
    } else {  // the parser refuses these
      out += link.front();
      link.remove_prefix(1);
      continue;
    }
    link.remove_prefix(name.size());
  }
  return out;
}

std::string RenderWebhookBody(WebhookFormat format, const Notification& n, std::string_view link) {
  switch (format) {
    case WebhookFormat::kAlertmanager:
      return DumpJson(Json::array({AlertJson(n, link)}));
    case WebhookFormat::kSlack:
      return RenderSlack(n, link);
    case WebhookFormat::kPortolan:
      break;
  }
  return DumpJson(PortolanJson(n, link));
}

}  // namespace portolan
