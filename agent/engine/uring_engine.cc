#include "agent/engine/uring_engine.h"

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace portolan {
namespace {

constexpr Duration kLateness = std::chrono::milliseconds(5);  // of the last packet of a batch
constexpr Duration kAbortAgain = std::chrono::seconds(1);
constexpr uint8_t kMostLooks = 16;

// user_data: 24 bits of slot, 32 of attempt, 8 of kind.
constexpr int kAttemptShift = 24, kKindShift = 56;
constexpr uint64_t kAttempt = 0, kWake = 1, kNothing = 2;
constexpr uint64_t DataOfKind(uint64_t kind) { return kind << kKindShift; }

}  // namespace

UringEngine::UringEngine(uint32_t window, const std::vector<IpAddress>& sources,
                         std::string limited_by, std::unique_ptr<Ring> ring, int wake_fd,
                         const Clock& clock)
    : window_(window),
      limited_by_(std::move(limited_by)),
      wake_(wake_fd),
      clock_(clock),
      sockets_(window, sources),
      ring_(std::move(ring)),
      slots_(window),
      timers_(window, clock.Now()) {
  queued_.reserve(kBatch);
}

UringEngine::~UringEngine() {
  if (busy_ > 0) Cancel();
}

uint64_t UringEngine::DataOf(uint32_t index) const {
  return uint64_t{slots_[index].attempt} << kAttemptShift | index;
}

void UringEngine::Address(io_uring_sqe& sqe, uint32_t index) const {
  if (slots_[index].registered) {
    sqe.fd = static_cast<int>(index);
    sqe.flags |= IOSQE_FIXED_FILE;
  }
}

bool UringEngine::StartHolding(const IpAddress& address, uint16_t port, Duration timeout,
                               Duration hold, uint64_t cookie, Time not_after) {
  if (in_flight() >= window_) return false;
  ring_->Own();
  ended_.CountStart();
  const std::optional<SocketPool::Taken> taken = sockets_.Take(address.is_v6());
  if (!taken) {
    ended_.AddFailed(cookie, routes_.Explain(address, errno, clock_.Now()));
    return true;
  }
  const uint32_t index = taken->slot;
  Slot& slot = slots_[index];
  if (taken->fresh) slot.registered = ring_->Register(index, sockets_.fd(index));
  sockets_.BoundSyns(index, timeout);
  const SocketAddress to = ToSocketAddress(address, port);
  std::memcpy(&slot.to, &to.storage, to.length);
  slot.use = Use::kQueued;
  slot.dropped = slot.polled = false;
  slot.looks = 0;
  ++slot.attempt;
  slot.target = {address, port};
  slot.not_after = not_after;
  slot.timeout = timeout;
  slot.hold = hold;
  slot.answered = kNever;
  slot.cookie = cookie;
  ++busy_;
  queued_.push_back(index);
  if (queued_.size() >= kBatch) Flush();
  return true;
}

void UringEngine::Flush() {
  if (queued_.empty()) return;
  int error = 0;
  if (ring_->Room() < kBatch) ring_->Submit(error);
  const bool room = ring_->Room() >= kBatch;
  // The last look at the clock before the packets: a process that was stopped anywhere before this
  // sends nothing when it is woken.
  const Time now = clock_.Now();
  for (uint32_t index : queued_) {
    Slot& slot = slots_[index];
    if (!room || slot.not_after <= now || slot.not_after - now <= kLateness) {
      slot.use = Use::kIdle;
      --busy_;
      sockets_.GiveBack(index);
      if (room) {
        ended_.AddTooLate(slot.cookie);
      } else {
        ended_.AddFailed(slot.cookie, ENOBUFS);
      }
      continue;
    }
    slot.use = Use::kTrying;
    slot.started = now;
    timers_.Add(index, now + slot.timeout);
    io_uring_sqe* const sqe = ring_->Next();
    const bool v6 = slot.target.address.is_v6();
    io_uring_prep_connect(sqe, sockets_.fd(index), reinterpret_cast<const sockaddr*>(&slot.to),
                          v6 ? sizeof slot.to.v6 : sizeof slot.to.v4);
    Address(*sqe, index);
    io_uring_sqe_set_data64(sqe, DataOf(index));
  }
  queued_.clear();
  const uint32_t left = ring_->Submit(error);
  for (uint32_t i = 0; i < left; ++i) {
    // The kernel had no memory for it. It must not leave at some later time.
    io_uring_sqe& sqe = ring_->Left(i);
    if (sqe.opcode != IORING_OP_CONNECT) continue;
    const auto index = static_cast<uint32_t>(sqe.user_data & ((1u << kAttemptShift) - 1));
    io_uring_prep_nop(&sqe);
    io_uring_sqe_set_data64(&sqe, DataOfKind(kNothing));
    Judgement judgement;
    judgement.local_errno = error == EAGAIN ? ENOMEM : error;
    End(index, judgement, now);
  }
}

Time UringEngine::Poll(Duration wait, std::vector<ProbeOutcome>& out) {
  ring_->Own();
  Flush();
  Time now = clock_.Now();
  const Time until = now + std::clamp(wait, Duration::zero(), kLongestPoll);
  int still = 0;
  for (;;) {
    Duration patience = std::min(until, timers_.Next()) - now;
    if (!ended_.empty() || woken_) patience = Duration::zero();
    // Every answer that is there is looked at before any timeout: after a pause of this thread one
    // may have waited longer than its timeout.
    const bool waited = patience > Duration::zero();
    Harvest(patience);
    const Time before = std::exchange(now, clock_.Now());
    still += waited && now <= before;
    // Where this thread was stopped just now, answers as well as timeouts may have passed
    // meanwhile.
    if (timers_.Next() <= now) Harvest(Duration::zero());
    due_.clear();
    timers_.Expire(now, due_);
    for (uint32_t index : due_) TimeOut(index, now);
    if (!due_.empty()) Harvest(Duration::zero());
    if (!ended_.empty() || woken_ || now >= until || still > kMostStill) break;
  }
  woken_ = false;
  ended_.MoveTo(out);
  return now;
}

void UringEngine::Harvest(Duration wait) {
  ArmWake();
  // A pass that brings nothing is the last, whatever the ring says: the kernel may leave its flag
  // for work that is due (IORING_SQ_TASKRUN) behind when it adds some while it is running some.
  uint32_t reaped;
  do {
    ring_->Run(wait);
    wait = Duration::zero();
    const Time now = clock_.Now();
    reaped = ring_->Reap([&](uint64_t data, int result) { OnCompletion(data, result, now); });
    SettleRefused(now);
    SettleDisconnected();
  } while (reaped > 0 && ring_->HasMore());
}

void UringEngine::OnCompletion(uint64_t data, int result, Time now) {
  const uint64_t kind = data >> kKindShift;
  if (kind == kWake) {
    wake_armed_ = false;
    uint64_t value;
    woken_ = read(wake_.get(), &value, sizeof value) == sizeof value || woken_;
    ArmWake();
    return;
  }
  if (kind != kAttempt)
    return;  // a cancellation that found nothing: the completion is here or near
  const auto index = static_cast<uint32_t>(data & ((1u << kAttemptShift) - 1));
  const Slot& slot = slots_[index];
  // A slot is kept until its request has completed, so this is only of a request that somebody else
  // completed twice: never trust it.
  if (slot.use < Use::kTrying || slot.attempt != static_cast<uint32_t>(data >> kAttemptShift))
    return;
  OnAttempt(index, result, now);
}

void UringEngine::TimeOut(uint32_t index, Time now) {
  Slot& slot = slots_[index];
  if (slot.use == Use::kTrying && ring_->ends_by_disconnect() && sockets_.Disconnect(index)) {
    // Its error must stay until the request has completed: without one the kernel would connect.
    slot.use = Use::kDisconnected;
    timers_.Add(index, now + kAbortAgain);
    return;
  }
  if (slot.use != Use::kIdle && slot.use != Use::kDisconnected) slot.use = Use::kTimedOut;
  Abort(index, now);
}

bool UringEngine::WaitOn(uint32_t index, uint32_t events) {
  Slot& slot = slots_[index];
  io_uring_sqe* const sqe = slot.looks < kMostLooks ? ring_->Next() : nullptr;
  if (sqe == nullptr) return false;
  ++slot.looks;
  slot.polled = true;
  io_uring_prep_poll_add(sqe, sockets_.fd(index), events);
  Address(*sqe, index);
  io_uring_sqe_set_data64(sqe, DataOf(index));
  return true;
}

void UringEngine::Abort(uint32_t index, Time now) {
  timers_.Add(index, now + kAbortAgain);
  io_uring_sqe* const sqe = ring_->Next();
  if (sqe == nullptr) return;
  io_uring_prep_cancel64(sqe, DataOf(index), 0);
  sqe->flags |= ring_->skip_success();
  io_uring_sqe_set_data64(sqe, DataOfKind(kNothing));
}

void UringEngine::ArmWake() {
  if (wake_armed_) return;
  io_uring_sqe* const sqe = ring_->Next();
  if (sqe == nullptr) return;
  io_uring_prep_poll_add(sqe, wake_.get(), POLLIN);
  io_uring_sqe_set_data64(sqe, DataOfKind(kWake));
  wake_armed_ = true;
}

void UringEngine::Cancel() {
  ring_->Own();
  for (uint32_t index : queued_) {
    slots_[index].use = Use::kIdle;
    --busy_;
    sockets_.GiveBack(index);
  }
  queued_.clear();
  const Time now = clock_.Now();
  for (uint32_t i = 0; i < window_ && busy_ > 0; ++i) {
    if (slots_[i].use == Use::kIdle) continue;
    slots_[i].dropped = true;
    timers_.Remove(i);
    Abort(i, now);
  }
  // The kernel ends a cancelled request at once. Should it not, its slot stays taken until it does.
  for (int round = 0; round < 100 && busy_ > 0; ++round) Harvest(std::chrono::milliseconds(20));
  ended_.Forget();
}

void UringEngine::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, that is, when it has been woken already.
  if (write(wake_.get(), &one, sizeof one) != sizeof one) return;
}

}  // namespace portolan
