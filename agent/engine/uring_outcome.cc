#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "agent/engine/uring_engine.h"

// What becomes of attempts whose request has completed.
namespace portolan {
namespace {

// The few errors that mean something else when connect() itself returned them.
bool MeansOtherThingsUnsent(int error) {
  return error == EACCES || error == ENOPROTOOPT || error == EADDRNOTAVAIL ||
         error == ENETUNREACH || error == EAFNOSUPPORT;
}

}  // namespace

void UringEngine::OnAttempt(uint32_t index, int result, Time now) {
  Slot& slot = slots_[index];
  const int fd = sockets_.fd(index);
  if (slot.dropped) {
    timers_.Remove(index);
    slot.use = Use::kIdle;
    --busy_;
    if (slot.answered == kNever) {
      sockets_.Reuse(index, /*drain=*/true);
    } else {
      sockets_.Close(index);
    }
    return;
  }
  if (slot.use == Use::kDisconnected) {
    disconnected_.push_back(index);
    return;
  }
  if (slot.answered != kNever) return OnHeld(index, result);
  if (result == -ECANCELED && slot.use == Use::kTimedOut) {
    EndInSilence(index);
    return;
  }
  if (result == -ECONNREFUSED && !slot.polled) {
    refused_.push_back(index);
    return;
  }
  std::optional<Judgement> judgement;
  if (slot.polled && result >= 0) {
    judgement = JudgeEvent(fd, slot.target, static_cast<uint32_t>(result));
  } else if (result >= 0 || result == -EALREADY || result == -EINPROGRESS || result == -EISCONN ||
             result == -EAGAIN || result == -EINTR) {
    judgement = JudgeEvent(fd, slot.target, POLLERR | POLLHUP);
  } else if ((result == -ECONNRESET || result == -EPIPE) && !slot.polled && !HasSentSyn(fd)) {
    judgement = JudgeResetInConnect(fd, slot.target);
  } else {
    judgement = MeansOtherThingsUnsent(-result) && !HasSentSyn(fd)
                    ? JudgeUnsent(fd, slot.target, -result, routes_, now)
                    : JudgeError(fd, slot.target, -result, /*at_once=*/false);
  }
  if (judgement && judgement->symbol.state == State::kOpen && slot.hold > Duration::zero()) {
    Hold(index, *judgement, now);
  } else if (judgement) {
    End(index, *judgement, now);
  } else if (slot.use == Use::kTimedOut) {
    EndInSilence(index);
  } else if (!WaitOn(index, POLLIN | POLLOUT)) {
    Judgement failed;
    failed.local_errno = ENOBUFS;
    End(index, failed, slot.started);
  }
}

void UringEngine::Hold(uint32_t index, const Judgement& opened, Time now) {
  Slot& slot = slots_[index];
  const AfterOpen after = LookAtHeld(sockets_.fd(index));
  slot.looks = 0;
  ++slot.attempt;  // a cancellation that may be on its way is not of the request that follows
  if (after != AfterOpen::kQuiet || !WaitOn(index, POLLIN | POLLRDHUP))
    return End(index, JudgeHeld(opened, after), now);
  slot.use = Use::kHeld;
  slot.answered = now;
  timers_.Remove(index);
  timers_.Add(index, now + slot.hold);
}

void UringEngine::OnHeld(uint32_t index, int result) {
  const int fd = sockets_.fd(index);
  if (slots_[index].use == Use::kTimedOut || result == -ECANCELED)
    return EndHeld(index, LastLookAtHeld(fd));
  const AfterOpen after = LookAtHeld(fd);
  if (after != AfterOpen::kQuiet || !WaitOn(index, POLLIN | POLLRDHUP)) EndHeld(index, after);
}

void UringEngine::EndHeld(uint32_t index, AfterOpen after) {
  const Slot& slot = slots_[index];
  End(index, JudgeHeld(JudgeConnected(sockets_.fd(index), slot.target), after), slot.answered);
}

template <typename F>
void UringEngine::AskForErrors(std::vector<uint32_t>& slots, F f) {
  // The error was taken by the request that completed, so poll() reports one only where there is
  // something in the error queue.
  std::array<pollfd, 128> polled;
  for (size_t begin = 0; begin < slots.size(); begin += polled.size()) {
    const size_t count = std::min(slots.size() - begin, polled.size());
    for (size_t i = 0; i < count; ++i) polled[i] = {sockets_.fd(slots[begin + i]), 0, 0};
    const bool known = poll(polled.data(), count, 0) >= 0;  // refused above the file limit
    for (size_t i = 0; i < count; ++i)
      f(slots[begin + i], !known || (polled[i].revents & POLLERR) != 0);
  }
  slots.clear();
}

void UringEngine::SettleRefused(Time now) {
  AskForErrors(refused_, [&](uint32_t index, bool error) {
    Judgement judgement;
    if (error) {
      judgement = JudgeError(sockets_.fd(index), slots_[index].target, ECONNREFUSED, false);
    } else {
      judgement.symbol = MeaningOfErrno(ECONNREFUSED, /*at_once=*/false);
      judgement.fate = Fate::kReuse;
    }
    End(index, judgement, now);
  });
}

void UringEngine::SettleDisconnected() {
  AskForErrors(disconnected_, [&](uint32_t index, bool error) {
    timers_.Remove(index);
    slots_[index].use = Use::kIdle;
    --busy_;
    Judgement judgement;
    judgement.symbol = kSilence;
    ended_.Add(slots_[index].cookie, judgement, {});
    error ? sockets_.DrainAndGiveBack(index) : sockets_.GiveBack(index);
  });
}

void UringEngine::End(uint32_t index, const Judgement& judgement, Time now) {
  Slot& slot = slots_[index];
  timers_.Remove(index);
  slot.use = Use::kIdle;
  --busy_;
  ended_.Add(slot.cookie, judgement, now - slot.started);
  if (judgement.fate == Fate::kClose) {
    sockets_.Close(index);
  } else {
    sockets_.Reuse(index, judgement.fate == Fate::kDrainAndReuse);
  }
}

void UringEngine::EndInSilence(uint32_t index) {
  Judgement judgement;
  judgement.symbol = kSilence;
  judgement.fate = Fate::kDrainAndReuse;
  End(index, judgement, slots_[index].started);
}

}  // namespace portolan
