#pragma once

#include <cstdint>
#include <optional>

#include "agent/engine/answer.h"
#include "agent/engine/local_routes.h"
#include "agent/engine/probe_engine.h"
#include "common/base/time.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

// What is true of one socket, whoever noticed that something happened to it: the engines share
// this, so that they cannot disagree.
namespace portolan {

enum class Fate : uint8_t { kReuse, kDrainAndReuse, kClose };  // what becomes of the socket

struct Judgement {
  Symbol symbol = {State::kOwed, Reason::kLocalFailure};
  Fate fate = Fate::kClose;
  AfterOpen after_open = AfterOpen::kNotHeld;
  int local_errno = 0;
  IpAddress source;  // of open ones
};

inline constexpr Symbol kSilence = {State::kFiltered, Reason::kNoResponse};

// The attempt ended with this errno. `at_once`: connect() itself returned it.
Judgement JudgeError(int fd, const SocketName& target, int error, bool at_once);
// The same where no packet was sent: connect() itself, or the socket, returned `error`. Failures
// that `routes` explains are kNoRouteErrno and no state.
Judgement JudgeUnsent(int fd, const SocketName& target, int error, LocalRoutes& routes, Time now);
// connect() was called again to learn how the attempt went, and a reset of the connection came in
// that moment: the call then takes the error and forgets that the socket has ever been connected.
// io_uring's CONNECT does so.
Judgement JudgeResetInConnect(int fd, const SocketName& target);
// The socket is connected to `peer`.
Judgement JudgeConnected(int fd, const SocketName& peer);
// Something may have happened: `events` are poll's. Nullopt: the attempt goes on.
std::optional<Judgement> JudgeEvent(int fd, const SocketName& target, uint32_t events);

// What the peer has done so far with a connection that is held; kQuiet: nothing, it can go on.
AfterOpen LookAtHeld(int fd);
// As above, when the time is over: tells kNoWindow from kQuiet.
AfterOpen LastLookAtHeld(int fd);
// The end of a hold; `opened` is what JudgeConnected or JudgeError said.
Judgement JudgeHeld(const Judgement& opened, AfterOpen after);

// SO_ERROR, which is gone once it is read.
int TakeSocketError(int fd);
// Whether the kernel has sent a SYN for the attempt that this socket made last.
bool HasSentSyn(int fd);

}  // namespace portolan
