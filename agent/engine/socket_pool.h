#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/time.h"
#include "common/net/ip_address.h"

namespace portolan {

// A descriptor that closes itself.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The sockets of an engine, one a slot. Half of what a connection attempt costs is making and
// closing the socket, so sockets are used again; each family and each source address has its own
// idle ones. Sockets are non-blocking and keep ICMP errors (IP_RECVERR). Not thread-safe.
class SocketPool {
 public:
  // Sources are taken in turn; none of a family: the kernel's choice.
  SocketPool(uint32_t slots, const std::vector<IpAddress>& sources);
  ~SocketPool();
  SocketPool(const SocketPool&) = delete;
  SocketPool& operator=(const SocketPool&) = delete;

  struct Taken {
    uint32_t slot = 0;
    bool fresh = false;  // another socket than this slot had before
  };
  // A slot with a socket for this family, which is the caller's until it is given back or closed.
  // At least one slot must not be taken. Nullopt: errno says why there is no socket;
  // kSourceGoneErrno: its source address is not of this machine any more.
  std::optional<Taken> Take(bool v6);
  // Of a slot that is taken.
  int fd(uint32_t slot) const { return sockets_[slot].fd; }
  // For an attempt of this length; see SynCountFor.
  void BoundSyns(uint32_t slot, Duration timeout);

  // The socket was not used.
  void GiveBack(uint32_t slot) { idle_[sockets_[slot].pool].push_back(slot); }
  // Ends its attempt; the socket stays the caller's, with ECONNRESET pending. False: it does not
  // let itself be disconnected.
  bool Disconnect(uint32_t slot);
  // Of a disconnected socket: empties its pending error and its error queue, and gives it back.
  void DrainAndGiveBack(uint32_t slot);
  // Disconnects it with connect(AF_UNSPEC), which sends RST where there is a connection. `drain`:
  // also empties its pending error and its error queue, because a leftover would become the next
  // port's state. A socket that does not let itself be disconnected is closed.
  void Reuse(uint32_t slot, bool drain);
  // RST instead of FIN: neither side keeps state.
  void Close(uint32_t slot);

 private:
  struct Socket {
    int fd = -1;
    uint16_t pool = 0;
    uint8_t syn_count = 0;  // TCP_SYNCNT in force; 0: the system's
  };
  bool Open(Socket& socket, bool v6, const IpAddress* source);

  const std::vector<IpAddress> sources_[2];  // IPv4, IPv6
  std::vector<Socket> sockets_;
  std::vector<uint32_t> empty_;              // slots without a socket
  std::vector<std::vector<uint32_t>> idle_;  // by pool: one for each family and source
  size_t next_source_[2] = {0, 0};
};

}  // namespace portolan
