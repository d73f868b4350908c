#include "common/scan/host_finding.h"

#include <algorithm>

#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {

std::string_view HostFindingName(HostFindingKind kind) {
  switch (kind) {
    case HostFindingKind::kAnswersEverywhere:
      return "answers-everywhere";
    case HostFindingKind::kSynProxy:
      return "syn-proxy";
    case HostFindingKind::kStoppedAnswering:
      return "stopped-answering";
  }
  return "unknown";
}

std::optional<HostFindingKind> HostFindingFromName(std::string_view name) {
  for (const HostFindingKind kind :
       {HostFindingKind::kAnswersEverywhere, HostFindingKind::kSynProxy,
        HostFindingKind::kStoppedAnswering}) {
    if (HostFindingName(kind) == name) return kind;
  }
  return std::nullopt;
}

bool IsValid(HostFindingKind kind) {
  return kind >= HostFindingKind::kAnswersEverywhere && kind <= HostFindingKind::kStoppedAnswering;
}

std::string_view HeldName(Held held) {
  switch (held) {
    case Held::kNotHeld:
      return "not-held";
    case Held::kReset:
      return "reset";
    case Held::kClosed:
      return "closed";
    case Held::kData:
      return "data";
    case Held::kQuiet:
      return "quiet";
    case Held::kNoWindow:
      return "no-window";
  }
  return "unknown";
}

absl::Status CheckHostFinding(const HostFinding& f) {
  if (!IsValid(f.kind))
    return InvalidArgument("host finding of kind {}: unknown", static_cast<int>(f.kind));
  if (f.opens > f.outcomes)
    return InvalidArgument("host finding: {} open of {}", f.opens,
                           Counted(f.outcomes, "outcome", "outcomes"));
  if (f.confirmed.size() > HostFinding::kMaxConfirmed) {
    return InvalidArgument("host finding with {} confirmed ports: send at most {}",
                           f.confirmed.size(), HostFinding::kMaxConfirmed);
  }
  for (const ConfirmedPort& c : f.confirmed) {
    if (c.held > Held::kNoWindow)
      return InvalidArgument("host finding: port {} held {}: unknown", c.port,
                             static_cast<int>(c.held));
  }
  const bool covers = CoversOpenPorts(f.kind);
  if (covers == f.confirmed.empty() || covers == f.sentinel.has_value()) {
    return InvalidArgument("host finding \"{}\" with {} and {} sentinel", HostFindingName(f.kind),
                           Counted(f.confirmed.size(), "confirmed port", "confirmed ports"),
                           f.sentinel.has_value() ? "a" : "no");
  }
  if (f.kind == HostFindingKind::kSynProxy &&
      std::any_of(f.confirmed.begin(), f.confirmed.end(),
                  [](const ConfirmedPort& c) { return c.held != Held::kReset; })) {
    return InvalidArgument("host finding \"syn-proxy\": a confirmed port did not reset");
  }
  return absl::OkStatus();
}

}  // namespace portolan
