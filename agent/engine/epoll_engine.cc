#include "agent/engine/epoll_engine.h"

#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace portolan {
namespace {

constexpr uint64_t kWakeData = UINT64_MAX;

}  // namespace

EpollEngine::EpollEngine(uint32_t window, const std::vector<IpAddress>& sources,
                         std::string limited_by, int epoll_fd, int wake_fd, const Clock& clock)
    : window_(window),
      limited_by_(std::move(limited_by)),
      epoll_(epoll_fd),
      wake_(wake_fd),
      clock_(clock),
      sockets_(window, sources),
      slots_(window),
      timers_(window, clock.Now()) {}

bool EpollEngine::StartHolding(const IpAddress& address, uint16_t port, Duration timeout,
                               Duration hold, uint64_t cookie, Time not_after) {
  if (in_flight() >= window_) return false;
  ended_.CountStart();
  const std::optional<SocketPool::Taken> taken = sockets_.Take(address.is_v6());
  if (!taken) {
    ended_.AddFailed(cookie, routes_.Explain(address, errno, clock_.Now()));
    return true;
  }
  const uint32_t index = taken->slot;
  const int fd = sockets_.fd(index);
  Slot& slot = slots_[index];
  if (taken->fresh) {
    ++slot.generation;
    slot.watched = false;
  }
  sockets_.BoundSyns(index, timeout);
  const SocketAddress to = ToSocketAddress(address, port);
  // The last look at the clock before the packet: a process that was stopped anywhere before this
  // sends nothing when it is woken.
  slot.started = clock_.Now();
  if (slot.started >= not_after) {
    sockets_.GiveBack(index);
    ended_.AddTooLate(cookie);
    return true;
  }
  slot.busy = true;
  slot.held = false;
  slot.hold = hold;
  slot.target = {address, port};
  slot.cookie = cookie;
  ++busy_;
  if (connect(fd, to.get(), to.length) != 0 && errno != EINPROGRESS && errno != EINTR) {
    const int error = errno;
    const Time now = clock_.Now();
    End(index, JudgeUnsent(fd, slot.target, error, routes_, now), now);
    return true;
  }
  timers_.Add(index, slot.started + timeout);
  if (!slot.watched) {
    // Added after connect(): before it the socket would count as hung up. A state that is already
    // there is reported all the same.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = uint64_t{slot.generation} << 32 | index;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      Judgement failed;
      failed.local_errno = errno;
      End(index, failed, slot.started);
      return true;
    }
    slot.watched = true;
  }
  return true;
}

void EpollEngine::TimeOut(uint32_t index) {
  if (slots_[index].held) return EndHeld(index, LastLookAtHeld(sockets_.fd(index)));
  Judgement judgement;
  judgement.symbol = kSilence;
  judgement.fate = Fate::kDrainAndReuse;
  End(index, judgement, slots_[index].started);
}

void EpollEngine::Look(uint32_t index, uint32_t events, Time now) {
  const Slot& slot = slots_[index];
  const int fd = sockets_.fd(index);
  if (slot.held) {
    if (const AfterOpen after = LookAtHeld(fd); after != AfterOpen::kQuiet) EndHeld(index, after);
    return;
  }
  const std::optional<Judgement> judgement = JudgeEvent(fd, slot.target, events);
  if (!judgement) return;
  if (slot.hold > Duration::zero() && judgement->symbol.state == State::kOpen)
    return Hold(index, *judgement, now);
  End(index, *judgement, now);
}

void EpollEngine::Hold(uint32_t index, const Judgement& opened, Time now) {
  // The event may have been of more than the handshake, and there is none for what is there.
  const AfterOpen after = LookAtHeld(sockets_.fd(index));
  if (after != AfterOpen::kQuiet) return End(index, JudgeHeld(opened, after), now);
  Slot& slot = slots_[index];
  slot.held = true;
  slot.answered = now;
  timers_.Remove(index);
  timers_.Add(index, now + slot.hold);
}

void EpollEngine::EndHeld(uint32_t index, AfterOpen after) {
  const Slot& slot = slots_[index];
  End(index, JudgeHeld(JudgeConnected(sockets_.fd(index), slot.target), after), slot.answered);
}

void EpollEngine::End(uint32_t index, const Judgement& judgement, Time now) {
  Slot& slot = slots_[index];
  timers_.Remove(index);
  slot.busy = false;
  --busy_;
  ended_.Add(slot.cookie, judgement, now - slot.started);
  if (judgement.fate == Fate::kClose) {
    sockets_.Close(index);
  } else {
    sockets_.Reuse(index, judgement.fate == Fate::kDrainAndReuse);
  }
}

Time EpollEngine::Poll(Duration wait, std::vector<ProbeOutcome>& out) {
  Time now = clock_.Now();
  const Time until = now + std::clamp(wait, Duration::zero(), kLongestPoll);
  bool woken = false;
  int still = 0;
  for (;;) {
    Duration patience = std::min(until, timers_.Next()) - now;
    if (!ended_.empty()) patience = Duration::zero();
    // Every event that is there is looked at before any timeout: after a pause of this thread an
    // answer may have waited longer than its timeout.
    const bool waited = patience > Duration::zero();
    for (bool more = true; more; patience = Duration::zero()) more = Harvest(patience, woken);
    const Time before = std::exchange(now, clock_.Now());
    still += waited && now <= before;
    // Where this thread was stopped just now, answers as well as timeouts may have passed
    // meanwhile.
    for (bool more = timers_.Next() <= now; more;) more = Harvest(Duration::zero(), woken);
    due_.clear();
    timers_.Expire(now, due_);
    for (uint32_t index : due_) TimeOut(index);
    if (!ended_.empty() || woken || now >= until || still > kMostStill) break;
  }
  ended_.MoveTo(out);
  return now;
}

bool EpollEngine::Harvest(Duration wait, bool& woken) {
  const int count = Wait(wait);
  if (count <= 0) return false;
  const Time now = clock_.Now();
  for (int i = 0; i < count; ++i) {
    const uint64_t data = events_[i].data.u64;
    if (data == kWakeData) {
      uint64_t value;
      woken = read(wake_.get(), &value, sizeof value) == sizeof value || woken;
      continue;
    }
    const uint32_t index = static_cast<uint32_t>(data);
    const Slot& slot = slots_[index];
    if (slot.busy && slot.generation == static_cast<uint32_t>(data >> 32))
      Look(index, events_[i].events, now);
  }
  return count == static_cast<int>(events_.size());
}

int EpollEngine::Wait(Duration wait) {
  wait = std::max(wait, Duration::zero());
  if (have_pwait2_) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    timespec limit{};
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (wait - seconds).count();
    const int count = epoll_pwait2(epoll_.get(), events_.data(), events_.size(), &limit, nullptr);
    if (count >= 0 || errno == EINTR) return count;
    have_pwait2_ = false;  // before Linux 5.11, or refused by a sandbox: whole milliseconds then
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait);
  return epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                    static_cast<int>(ms.count()));
}

void EpollEngine::Cancel() {
  for (uint32_t i = 0; i < window_; ++i) {
    if (!slots_[i].busy) continue;
    timers_.Remove(i);
    slots_[i].busy = false;
    sockets_.Close(i);
  }
  busy_ = 0;
  ended_.Forget();
}

void EpollEngine::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, that is, when it has been woken already.
  if (write(wake_.get(), &one, sizeof one) != sizeof one) return;
}

}  // namespace portolan
