#pragma once

#include <cstdint>
#include <optional>

#include "agent/engine/answer.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

// What is true of one socket, whoever noticed that something happened to it: the engines share
// this, so that they cannot disagree.
namespace portolan {

enum class After { kReuse, kDrainAndReuse, kClose };  // what becomes of the socket

struct Judgement {
  Symbol symbol = {State::kOwed, Reason::kLocalFailure};
  After after = After::kClose;
  int local_errno = 0;
  IpAddress source;  // of open ones
};

inline constexpr Symbol kSilence = {State::kFiltered, Reason::kNoResponse};

// The attempt ended with this errno. `at_once`: connect() itself returned it.
Judgement JudgeError(int fd, const SocketName& target, int error, bool at_once);
// The socket is connected to `peer`.
Judgement JudgeConnected(int fd, const SocketName& peer);
// Something may have happened: `events` are poll's. Nullopt: the attempt goes on.
std::optional<Judgement> JudgeEvent(int fd, const SocketName& target, uint32_t events);

// SO_ERROR, which is gone once it is read.
int TakeSocketError(int fd);
// Whether the kernel has sent a SYN for the attempt that this socket made last.
bool HasSentSyn(int fd);

}  // namespace portolan
