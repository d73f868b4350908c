#pragma once

#include <sys/socket.h>

#include <optional>

#include "common/net/ip_address.h"
#include "common/scan/observation.h"

// What the kernel says about a connection attempt, and what that means. docs/observations.md is
// this file in words.
namespace portolan {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port);

struct SocketName {
  IpAddress address;
  uint16_t port = 0;
  friend bool operator==(const SocketName&, const SocketName&) = default;
};
// Nullopt for another family than IPv4 and IPv6.
std::optional<SocketName> FromSocketAddress(const sockaddr_storage& storage);

// An ICMP or ICMPv6 error about our SYN.
struct IcmpError {
  bool v6 = false;
  uint8_t type = 0;
  uint8_t code = 0;
};
Symbol MeaningOf(const IcmpError& error);

// What an errno means when no ICMP error explains it. `at_once`: connect() itself returned it, so
// no packet came back. (kOwed, kLocalFailure): ours.
Symbol MeaningOfErrno(int error, bool at_once);

// Which of ProbeEngine::Counters::local counts this errno.
size_t LocalFailureIndex(int error);

// Reads the error queue of a socket (IP_RECVERR) until it is empty, at most 16 entries; the first
// ICMP error about a packet to `target`, if any. Entries about another target are of an earlier use
// of the socket and dropped.
std::optional<IcmpError> ReadErrorQueue(int fd, const SocketName& target);

// getpeername and getsockname; nullopt when the socket is not connected / has no name.
std::optional<SocketName> PeerOf(int fd);
std::optional<SocketName> LocalNameOf(int fd);

}  // namespace portolan
