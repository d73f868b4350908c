#include "agent/engine/ring.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/engine/socket_pool.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr uint32_t kEntries = 256;  // prepared and not submitted
constexpr uint32_t kMostCompletions = 65'536;

struct Settings {
  unsigned flags;
  const char* name;
};
// From the newest kernel to the oldest. A ring of one issuer is disabled until that thread has it.
constexpr std::array<Settings, Ring::kSettings> kBestFirst = {{
    {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
     "deferred task work"},  // Linux 6.1
    {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
     "cooperative task work, single issuer"},  // 6.0
    {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
         IORING_SETUP_R_DISABLED,
     "cooperative task work"},                     // 5.19
    {IORING_SETUP_R_DISABLED, "plain task work"},  // 5.10
}};

absl::Status Lacks(std::string_view what, std::string_view since) {
  return FailedPrecondition("io_uring of this kernel lacks {}: Linux {} has it", what, since);
}

// liburing 2.3 declares io_uring_enable_rings and does not export it.
int EnableRing(const io_uring& ring) {
  const long result =
      syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  return result < 0 ? -errno : 0;
}

absl::Status CheckOperations(io_uring& ring) {
  std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(io_uring_get_probe_ring(&ring),
                                                                   io_uring_free_probe);
  if (probe == nullptr) return Lacks("the list of its operations", "5.6");
  for (int operation : {IORING_OP_CONNECT, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD}) {
    if (!io_uring_opcode_supported(probe.get(), operation))
      return Lacks(fmt::format("operation {}", operation), "5.6");
  }
  return absl::OkStatus();
}

// A request goes through: a sandbox may allow the set-up alone.
absl::Status CheckThatItRuns(io_uring& ring) {
  int error = EnableRing(ring);
  if (error == 0) {
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    __kernel_timespec limit{1, 0};
    io_uring_cqe* cqe = nullptr;
    error = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &limit, nullptr);
    if (error >= 0 && cqe != nullptr) {
      io_uring_cqe_seen(&ring, cqe);
      return absl::OkStatus();
    }
  }
  return FailedPrecondition("io_uring was set up, but refused by the kernel or a sandbox: {}",
                            strerror(error < 0 ? -error : ETIME));
}

// Tries on loopback: a SYN to a listener whose queue is full is not answered.
bool EndsByDisconnect(io_uring& ring) {
  constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const OwnedFd listener(socket(AF_INET, kType, 0)), first(socket(AF_INET, kType, 0)),
      tried(socket(AF_INET, kType, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&to);
  socklen_t length = sizeof to;
  if (bind(listener.get(), name, length) != 0 || listen(listener.get(), 0) != 0 ||
      getsockname(listener.get(), name, &length) != 0)
    return false;
  if (connect(first.get(), name, length) != 0 && errno != EINPROGRESS) return false;

  const auto state = [&tried] {
    tcp_info info{};
    socklen_t size = sizeof info;
    return getsockopt(tried.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : 0;
  };
  io_uring_prep_connect(io_uring_get_sqe(&ring), tried.get(), name, length);
  if (io_uring_submit(&ring) != 1 || state() != TCP_SYN_SENT) return false;
  sockaddr unspec{};
  unspec.sa_family = AF_UNSPEC;
  if (connect(tried.get(), &unspec, sizeof unspec) != 0) return false;
  __kernel_timespec limit{0, 200'000'000};
  io_uring_cqe* cqe = nullptr;
  const int error = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &limit, nullptr);
  return error >= 0 && cqe != nullptr && cqe->res < 0 && state() == TCP_CLOSE;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ring>> Ring::Make(uint32_t slots, uint32_t skip,
                                                 bool may_disconnect) {
  std::unique_ptr<Ring> out(new Ring);
  for (const Settings& settings : kBestFirst) {
    if (skip > 0) {
      --skip;
      continue;
    }
    io_uring_params params{};
    params.flags = settings.flags | IORING_SETUP_CQSIZE;
    // An attempt, its cancellation, and others; more than fit are kept by the kernel (NODROP).
    params.cq_entries = std::clamp(2 * slots, 2 * kEntries, kMostCompletions);
    io_uring trial;
    io_uring_params trial_params = params;
    int error = io_uring_queue_init_params(kEntries, &trial, &trial_params);
    if (error == -EINVAL) continue;  // of a newer kernel
    if (error == 0) {
      absl::Status usable = CheckOperations(trial);
      if (usable.ok() && (trial_params.features & IORING_FEAT_EXT_ARG) == 0)
        usable = Lacks("waiting with a limit", "5.11");
      if (usable.ok()) usable = CheckThatItRuns(trial);
      if (usable.ok() && may_disconnect) {
        // The kernel's, whatever the settings. Where it does not, the trial waits in vain.
        static const bool ends = EndsByDisconnect(trial);
        out->ends_by_disconnect_ = ends;
      }
      io_uring_queue_exit(&trial);
      PORTOLAN_RETURN_IF_ERROR(usable);
      error = io_uring_queue_init_params(kEntries, &out->ring_, &params);
    }
    if (error != 0) {
      return FailedPrecondition("io_uring refused by the kernel or a sandbox: {}",
                                strerror(-error));
    }
    out->made_ = true;
    out->settings_ = settings.name;
    if ((params.features & IORING_FEAT_CQE_SKIP) != 0) out->skip_success_ = IOSQE_CQE_SKIP_SUCCESS;
    out->table_ = io_uring_register_files_sparse(&out->ring_, slots) == 0;
    if (out->table_) out->settings_ += ", registered files";
    if (out->ends_by_disconnect_) out->settings_ += ", ended by disconnecting";
    return out;
  }
  return Lacks("the settings of an engine", "5.11");
}

Ring::~Ring() {
  if (made_) io_uring_queue_exit(&ring_);
}

void Ring::Enable() {
  // The trial ring has shown that this is allowed here.
  PORTOLAN_CHECK(EnableRing(ring_) == 0);
  owned_ = true;
}

io_uring_sqe* Ring::Next() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe != nullptr) return sqe;
  int error;
  Submit(error);
  return io_uring_get_sqe(&ring_);
}

uint32_t Ring::Submit(int& error) {
  error = 0;
  uint32_t left = io_uring_sq_ready(&ring_);
  while (left > 0) {
    const int taken = io_uring_submit(&ring_);
    if (taken == -EINTR) continue;
    left = io_uring_sq_ready(&ring_);
    if (taken <= 0) {
      error = taken == 0 ? EAGAIN : -taken;
      break;
    }
  }
  return left;
}

io_uring_sqe& Ring::Left(uint32_t i) {
  const unsigned at = ring_.sq.sqe_tail - io_uring_sq_ready(&ring_) + i;
  return ring_.sq.sqes[at & (*ring_.sq.kring_entries - 1)];
}

void Ring::Run(Duration wait) {
  int result;
  if (wait <= Duration::zero()) {
    result = io_uring_submit_and_get_events(&ring_);
  } else {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    __kernel_timespec limit{seconds.count(), (wait - seconds).count()};
    io_uring_cqe* cqe = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &limit, nullptr);
  }
  if (result >= 0 || result == -ETIME || result == -EINTR || wait <= Duration::zero()) return;
  // Out of memory, or too many completions wait to be taken: no busy loop until it is over.
  pollfd ready{ring_.ring_fd, POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait);
  poll(&ready, 1, static_cast<int>(std::clamp<int64_t>(ms.count(), 0, 10)));
}

bool Ring::HasMore() const {
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
         io_uring_cq_ready(const_cast<io_uring*>(&ring_)) > 0;
}

bool Ring::Register(uint32_t slot, int fd) {
  return table_ && io_uring_register_files_update(&ring_, slot, &fd, 1) == 1;
}

}  // namespace portolan
