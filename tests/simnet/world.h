#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/time.h"
#include "common/scan/observation.h"
#include "tests/simnet/hash.h"
#include "tests/simnet/packet.h"

// What every address and port of the simulated network is like: a pure function of the parameters
// and the address, so that the truth is known without a packet.
namespace portolan::simnet {

// Fractions are in [0, 1], times in milliseconds, rates per second (0: no limit). What each one
// means: params.cc, which --help prints.
struct WorldOptions {
  uint64_t seed = 1;
  // addresses
  double alive = 1;
  double dead_host_unreach = 0, dead_net_unreach = 0;
  double fw_drop = 0, fw_admin = 0, fw_host_unreach = 0, fw_port_unreach = 0;
  double fw_ports = 1, fw_open = 0;
  double all_open = 0, syn_proxy = 0, tarpit = 0;
  // ports
  double open = 0.02;
  double answers = 0;
  double accept_reset = 0, slow_accept = 0, second_syn = 0, banner = 0;
  double slow_ms = 500;
  // the way there and back
  double rtt_min_ms = 20, rtt_max_ms = 20, rtt_log = 0, jitter = 0;
  double loss_out = 0, loss_in = 0;
  double burst_share = 0, burst_loss = 1, burst_ms = 50;
  // limits
  double link_syn_rate = 0, prefix_syn_rate = 0, host_rst_rate = 0, host_icmp_rate = 0,
         router_icmp_rate = 0;
};

enum class HostKind : uint8_t { kDead, kPlain, kAllOpen, kSynProxy, kTarpit };

// What comes back for a SYN.
enum class Answer : uint8_t {
  kSilence,
  kSynAck,
  kReset,
  kAdminProhibited,
  kHostUnreachable,
  kPortUnreachable,
  kNetUnreachable,
  kIcmp,  // the one that the port names
};
inline bool IsIcmp(Answer a) { return a >= Answer::kAdminProhibited; }

// What an open port does once the handshake is complete.
enum class After : uint8_t { kServe, kBanner, kReset, kClose, kTarpit };

struct Host {
  uint64_t key = 0;  // the hash that everything else of it comes from
  HostKind kind = HostKind::kDead;
  Answer blocked = Answer::kSilence;  // the answer of a dead address; of the ports that a plain
                                      // host's firewall covers (kReset: it has none)
  Duration rtt{};                     // without jitter
};

struct PortBehaviour {
  Answer answer = Answer::kSilence;
  After after = After::kServe;
  bool slow = false;        // the SYN-ACK takes slow_ms more
  bool second_syn = false;  // the first SYN is not answered
  uint16_t after_ms = 0;    // `after` comes so much later
  IcmpCode icmp;            // of kIcmp, and what it means
  Symbol icmp_meaning;
};

// Immutable; thread-safe.
class World {
 public:
  explicit World(const WorldOptions& options) : options_(options) {}

  const WorldOptions& options() const { return options_; }
  Host HostAt(Address address) const;
  PortBehaviour PortAt(const Host& host, uint16_t port) const;
  // What a scanner that loses no packet and meets no limit finds.
  static Symbol TruthOf(const PortBehaviour& port);
  // "plain", "all-open", ...: for telling results apart by what they are results of.
  static std::string_view NameOf(const Host& host, const PortBehaviour& port);

  // A tarpit's window is shut.
  bool TakesNothing(Address address, uint16_t port) const;

  // From a packet's arrival to the arrival of its answer; `packet` numbers the packets, for jitter.
  Duration DelayOf(const Host& host, uint64_t packet) const;

 private:
  const WorldOptions options_;
};

}  // namespace portolan::simnet
