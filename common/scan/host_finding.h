#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/net/ip_address.h"
#include "common/net/port_set.h"

namespace portolan {

// What is known of a host as a whole: it makes many outcomes of its ports one fact
// (docs/observations.md). The numbers are stored and sent: never change one.
enum class HostFindingKind : uint8_t {
  // Ports that nobody serves accept connections as well: a tarpit, a load balancer or a proxy that
  // accepts for others. What is open there is no service.
  kAnswersEverywhere = 1,
  // The same, and what accepts resets at once: a firewall that completes handshakes in place of the
  // host, to see who is behind them.
  kSynProxy = 2,
  // A port that had answered fell silent with all others: the host, or an intrusion prevention
  // before it, does not answer this agent any more. Its filtered (throttled) ports are not known.
  kStoppedAnswering = 3,
};
std::string_view HostFindingName(HostFindingKind kind);  // "answers-everywhere"; "unknown"
std::optional<HostFindingKind> HostFindingFromName(std::string_view name);
bool IsValid(HostFindingKind kind);
// Whether the open ports of such a host are one fact and not services.
inline bool CoversOpenPorts(HostFindingKind kind) {
  return kind == HostFindingKind::kAnswersEverywhere || kind == HostFindingKind::kSynProxy;
}

// What became of a connection that was kept for a while. The numbers are stored and sent.
enum class Held : uint8_t {
  kNotHeld = 0,  // it was not kept, or not long enough to tell
  kReset = 1,
  kClosed = 2,  // the peer ended it in order
  kData = 3,    // the peer spoke first
  kQuiet = 4,
  kNoWindow = 5,  // quiet, and it takes no data either
};
std::string_view HeldName(Held held);  // "quiet"

// A port outside of the scan that was probed for the finding, and was open.
struct ConfirmedPort {
  uint16_t port = 0;
  Held held = Held::kNotHeld;
  friend bool operator==(const ConfirmedPort&, const ConfirmedPort&) = default;
};

struct HostFinding {
  static constexpr size_t kMaxConfirmed = 16;

  HostFindingKind kind = HostFindingKind::kAnswersEverywhere;
  IpAddress address;
  WallTime when;
  // What one thread of the agent had seen of the address by then.
  uint32_t opens = 0;
  uint32_t outcomes = 0;
  // kAnswersEverywhere, kSynProxy: not empty, each open.
  std::vector<ConfirmedPort> confirmed;
  // kStoppedAnswering: the port that had answered, since when nothing was heard, and how many
  // attempts met silence since.
  std::optional<uint16_t> sentinel;
  WallTime since;
  uint32_t silences = 0;

  friend bool operator==(const HostFinding&, const HostFinding&) = default;
};

// Hostile input: InvalidArgument for evidence that does not belong to the kind, or that is more
// than kMaxConfirmed.
absl::Status CheckHostFinding(const HostFinding& finding);

// The ports that confirm that a host answers everywhere: few services listen there. A scan uses
// those that nothing excludes.
inline constexpr PortRange kConfirmPorts{49152, 65535};

}  // namespace portolan
