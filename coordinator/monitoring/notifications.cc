#include "coordinator/monitoring/notifications.h"

#include <fmt/format.h>

#include "common/base/counted.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

std::string ServiceOf(uint16_t port) {
  const Service* service = FindService(port);
  return service == nullptr ? std::string() : std::string(service->name);
}

std::string TextOf(const TrailStep& step) {
  if (step.what == TrailStep::What::kFlapped) {
    return fmt::format("{} not told before this one: it changed too often",
                       Counted(step.changes, "change was", "changes were"));
  }
  std::string text = fmt::format("{} {}: {} at {}", TrailStepName(step.what), step.vantage,
                                 SymbolText(step.symbol), FormatRfc3339(step.when));
  if (!step.agent.empty()) text += " by " + step.agent;
  return text;
}

bool Breaks(const ExposureRule* rule, bool open) {
  if (rule == nullptr) return false;
  return rule->action == (open ? ExpectAction::kMustNotBeOpen : ExpectAction::kMustBeOpen);
}

// FNV-1a: of two findings with different keys or times, another id (as good as always).
std::string IdOf(const std::string& monitor, const Finding& f) {
  unsigned __int128 h =
      (static_cast<unsigned __int128>(0x6c62272e07bb0142u) << 64) | 0x62b821756295c58du;
  constexpr unsigned __int128 kPrime = (static_cast<unsigned __int128>(1) << 88) | 0x13b;
  for (const char c : fmt::format("{}\n{}\n{}", monitor, f.key.ToString(), ToUnixMicros(f.found))) {
    h = (h ^ static_cast<unsigned char>(c)) * kPrime;
  }
  return fmt::format("{:016x}{:016x}-{}", static_cast<uint64_t>(h >> 64), static_cast<uint64_t>(h),
                     f.resolved == WallTime() ? "opened" : "resolved");
}

}  // namespace

Notification NotificationOf(const ExposureEvent& e, const ExposureRule* rule,
                            const MonitorSpec& spec) {
  Notification n;
  n.id = e.id;
  n.kind = NotificationKind::kEvent;
  n.time = e.time;
  n.monitor = e.monitor;
  n.vantage = e.vantage;
  n.target = e.subject.target.ToString();
  n.address = e.address.ToString();
  n.port = e.subject.port;
  n.service = ServiceOf(n.port);
  n.from = SymbolText(e.from);
  n.to = SymbolText(e.to);
  n.labels = spec.labels;
  n.text = fmt::format("{} {} from {}", e.subject.ToString(), ChangeKindName(e.kind), e.vantage);
  if (Breaks(rule, IsOpen(e.to))) {
    n.severity = rule->severity;
    n.rule = rule->id;
    n.remedy = RemedyText(*rule, e.subject);
    n.text += fmt::format(", against \"{}\"", rule->id);
    n.text += BecauseText(*rule, n.port);
  } else if (rule != nullptr) {
    n.rule = rule->id;
  }
  for (const TrailStep& step : e.trail) n.trail.push_back(TextOf(step));
  return n;
}

Notification NotificationOf(const Finding& f, const MonitorSpec& spec) {
  Notification n;
  n.id = IdOf(spec.name, f);
  const bool resolved = f.resolved != WallTime();
  n.kind = resolved ? NotificationKind::kFindingResolved : NotificationKind::kFindingOpened;
  n.time = resolved ? f.resolved : f.found;
  if (resolved) n.since = f.found;
  n.monitor = spec.name;
  n.vantage = f.key.vantage;
  if (f.key.target) n.target = f.key.target->ToString();
  if (f.address != IpAddress()) n.address = f.address.ToString();
  n.port = f.key.port.value_or(0);
  if (n.port != 0) n.service = ServiceOf(n.port);
  n.severity = f.severity;
  n.rule = f.key.rule;
  n.text = f.text;
  n.remedy = f.remedy;
  n.labels = spec.labels;
  return n;
}

}  // namespace portolan
