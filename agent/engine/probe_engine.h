#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

namespace portolan {

// What the peer did with a connection that was held.
enum class AfterOpen : uint8_t {
  kNotHeld,   // or lost by a failure of this machine: nothing is known
  kReset,     // RST: a SYN proxy, or a server that turned us away
  kClosed,    // FIN
  kData,      // it spoke first, whatever it did then
  kQuiet,     // nothing: most servers wait for the client
  kNoWindow,  // nothing, and it takes no data either (receive window 0): a tarpit, or a SYN proxy
              // with nobody behind it
};

// How one connection attempt ended.
struct ProbeOutcome {
  uint64_t cookie = 0;  // the caller's, as given to Start
  // kOwed: nothing was learned. `reason` is kLocalFailure, a failure of ours, and `local_errno`
  // says which (an errno, kNoRouteErrno or kSourceGoneErrno); or kChunkClosed, too late to start.
  State state = State::kOwed;
  Reason reason = Reason::kNone;
  AfterOpen after = AfterOpen::kNotHeld;  // of open ones that were held
  int local_errno = 0;
  Duration rtt{};    // from connect() to the answer; zero when there was none
  IpAddress source;  // of open ones only
};

struct EngineOptions {
  uint32_t window = 0;             // probes in flight; 0: from the file limit. Never above it
  std::vector<IpAddress> sources;  // bind to these in turn; empty: the kernel's choice
};

// Makes TCP connection attempts: the only place of an agent with sockets. One attempt is one SYN
// and the kernel's view of its answer; when to try again, and what silence means, is the caller's.
// Every Start ends in exactly one outcome, or in Cancel. One thread owns it and makes every call
// but Wake. What an answer means: docs/observations.md.
class ProbeEngine {
 public:
  virtual ~ProbeEngine() = default;

  virtual std::string_view name() const = 0;  // "epoll"
  virtual uint32_t window() const = 0;        // probes that can be in flight
  virtual uint32_t in_flight() const = 0;

  // Starts one attempt, answered within `timeout` by a later Poll (also when it ends at once).
  // False: the window is full, nothing was done. No packet leaves at or after `not_after`, however
  // long the thread was held up before: the outcome is then (kOwed, kChunkClosed).
  bool Start(const IpAddress& address, uint16_t port, Duration timeout, uint64_t cookie,
             Time not_after) {
    return StartHolding(address, port, timeout, Duration::zero(), cookie, not_after);
  }
  // The same, but an attempt that connects ends only when the peer has done something with the
  // connection, or when that took `hold` from the answer on; the outcome's `after` tells. It counts
  // as in flight until then, and its end may come after `not_after`. A peer that resets is open
  // with kResetAfterAccept, as it is when the reset is there before the engine looks. No byte is
  // sent. For a few attempts: each takes a socket of its own.
  virtual bool StartHolding(const IpAddress& address, uint16_t port, Duration timeout,
                            Duration hold, uint64_t cookie, Time not_after) = 0;

  // Appends the attempts that ended to `out`, waiting up to `wait` for the first. Returns early on
  // Wake. Returns the time it finished waiting at.
  virtual Time Poll(Duration wait, std::vector<ProbeOutcome>& out) = 0;

  // Closes every attempt in flight without an outcome.
  virtual void Cancel() = 0;

  // From any thread: the Poll that is waiting, or the next one, returns at once.
  virtual void Wake() = 0;

  // What limits the window, for people ("file limit 1024 caps probes in flight at 960: raise
  // LimitNOFILE"); empty: nothing.
  virtual std::string limited_by() const = 0;

  struct Counters {
    uint64_t started = 0;
    uint64_t self_connects = 0;
    // Local failures by errno: EMFILE, ENFILE, EADDRNOTAVAIL (no free port), ENOBUFS, ENOMEM,
    // EPERM/EACCES, ENETDOWN, kNoRouteErrno and kSourceGoneErrno (agent/engine/local_routes.h),
    // other.
    std::array<uint64_t, 10> local{};
  };
  virtual const Counters& counters() const = 0;

  // Returns whether no attempt at `address` could leave this machine now, because it has no address
  // of that family, or none to be used towards this one: a fact about the agent, so the caller
  // leaves the address to other agents instead of starting attempts. Cheap where nothing is
  // lacking.
  virtual bool LacksRoute(const IpAddress& address, Time now) {
    (void)address;
    (void)now;
    return false;
  }
};

// How many probes the file limit of this process lets be in flight, over all engines: the limit
// (raised as far as it goes) less what is open and 64 for everybody else, because without
// descriptors gRPC cannot reconnect either. A program with several engines divides it over them.
struct FileBudget {
  uint32_t probes = 0;
  uint64_t limit = 0;
  uint64_t open = 0;  // descriptors open now
};
FileBudget RaiseFileLimit();

// The window of an engine that is told none and has descriptors enough. More in flight costs cache;
// fewer cover less rate x round trip.
inline constexpr uint32_t kDefaultWindow = 16'384;

// FailedPrecondition: no descriptor is left, or the kernel refuses epoll. InvalidArgument: a source
// address cannot be bound here.
absl::StatusOr<std::unique_ptr<ProbeEngine>> MakeEpollEngine(const EngineOptions& options,
                                                             const Clock& clock);
// As above; FailedPrecondition too when the kernel or a sandbox refuses io_uring, or it is too old;
// the message says so.
absl::StatusOr<std::unique_ptr<ProbeEngine>> MakeUringEngine(const EngineOptions& options,
                                                             const Clock& clock);

enum class EngineChoice { kAuto, kEpoll, kUring };
// "auto", "epoll", "io_uring"; nullopt for any other text.
std::optional<EngineChoice> EngineChoiceFromName(std::string_view name);

struct MadeEngine {
  std::unique_ptr<ProbeEngine> engine;
  std::string reason;  // why this one, for people: "asked for", "io_uring refused by ...: ..."
};
// kAuto: io_uring, which costs less a probe (docs/performance.md), where its probe at the start
// succeeds, else epoll. kUring: io_uring or an error.
absl::StatusOr<MadeEngine> MakeEngine(EngineChoice choice, const EngineOptions& options,
                                      const Clock& clock);

}  // namespace portolan
