#pragma once

#include <cstdint>

#include "common/base/time.h"
#include "common/net/ip_address.h"

namespace portolan {

// Local failures that errno cannot express, because the kernel reports EADDRNOTAVAIL for lack of a
// free port, of a source address and of a --source alike. The engines report these instead. No
// errno has these numbers: those of Linux end at 4095.
inline constexpr int kNoRouteErrno = 5001;     // see LocalRoutes::Lacks
inline constexpr int kSourceGoneErrno = 5002;  // a --source is not of this machine any more

// Recognises addresses that this machine cannot ask because it has no address of their family, or
// none that may be used towards them, or no support of the family at all: a fact about the agent,
// not about the port. Addresses of the machine are looked at again every 5 s, so that one that
// appears later counts. Never sends a packet: what the kernel would do is asked by a connect() of a
// UDP socket. Not thread-safe: owned by an engine.
class LocalRoutes {
 public:
  static constexpr Duration kLook = std::chrono::seconds(5);

  // Returns whether no attempt at `address` could leave this machine, for the reasons above. A
  // machine that has an address of the family but no route to this one does not lack anything: then
  // the routing table's answer is an observation (net-unreach). One comparison while the machine
  // has an address of the family beyond loopback and link-local ones; else three system calls.
  bool Lacks(const IpAddress& address, Time now) {
    if (now >= next_look_) Look(now);
    return (!families_[address.is_v6()].present ||
            now < families_[address.is_v6()].doubted_until) &&
           Ask(address);
  }

  // Returns what an attempt at `address` really failed of when connect() itself, or making the
  // socket, returned `error`: kNoRouteErrno where Lacks() explains it, else `error`.
  int Explain(const IpAddress& address, int error, Time now);

 private:
  struct Family {
    bool present = true;  // an address beyond loopback and link-local ones
    // Until then single addresses are asked about, because one of them had no source address.
    Time doubted_until = Time::min();
  };
  void Look(Time now);
  bool Ask(const IpAddress& address) const;

  Family families_[2];  // IPv4, IPv6
  Time looked_ = Time::min();
  Time next_look_ = Time::min();
};

}  // namespace portolan
