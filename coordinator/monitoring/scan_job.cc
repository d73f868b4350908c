#include "coordinator/monitoring/scan_job.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr auto kFirstLook = std::chrono::milliseconds(100);
constexpr auto kLastLook = std::chrono::seconds(2);
// A monitor whose scan somebody paused must not stand still for ever.
constexpr auto kLongestPause = std::chrono::minutes(30);
constexpr auto kTryAgain = std::chrono::seconds(2);
constexpr int kMaxUnanswered = 30;  // a minute

}  // namespace

bool MayPass(const absl::Status& s) {
  return absl::IsUnavailable(s) || absl::IsResourceExhausted(s) || absl::IsDeadlineExceeded(s);
}

std::shared_ptr<ScanJob> ScanJob::Start(TaskRunner& runner, ScanClient& scans, const Clock& clock,
                                        Options options, Created created, Ended ended) {
  std::shared_ptr<ScanJob> job(
      new ScanJob(runner, scans, clock, std::move(options), std::move(created), std::move(ended)));
  job->Create();
  return job;
}

ScanJob::ScanJob(TaskRunner& runner, ScanClient& scans, const Clock& clock, Options options,
                 Created created, Ended ended)
    : runner_(runner),
      scans_(scans),
      clock_(clock),
      options_(std::move(options)),
      created_(std::move(created)),
      ended_(std::move(ended)),
      begun_(clock.Now()),
      poll_(kFirstLook) {}

template <typename F>
auto ScanJob::OnRunner(F f) {
  return [weak = weak_from_this(), &runner = runner_, f](absl::StatusOr<ScanStatus> status) {
    runner.Post([weak, f, status = std::move(status)]() mutable {
      if (const std::shared_ptr<ScanJob> self = weak.lock()) f(*self, std::move(status));
    });
  };
}

void ScanJob::After(Duration delay, std::function<void()> f) {
  runner_.PostAfter(delay, [weak = weak_from_this(), f = std::move(f)] {
    const std::shared_ptr<ScanJob> self = weak.lock();
    if (self != nullptr && self->ended_) f();
  });
}

void ScanJob::Create() {
  scans_.Create(options_.request, options_.key,
                OnRunner([](ScanJob& self, absl::StatusOr<ScanStatus> status) {
                  self.OnCreated(std::move(status));
                }));
}

void ScanJob::OnCreated(absl::StatusOr<ScanStatus> status) {
  if (!status.ok()) {
    if (!MayPass(status.status()) || clock_.Now() - begun_ >= options_.retry_for) {
      return End(std::move(status));
    }
    return After(kTryAgain, [this] { Create(); });
  }
  id_ = status->id;
  if (created_) created_(*status);
  OnStatus(std::move(status));
}

void ScanJob::OnStatus(absl::StatusOr<ScanStatus> status) {
  if (!status.ok()) {
    if (!MayPass(status.status()) || ++unanswered_ >= kMaxUnanswered) return End(std::move(status));
    return Look(kTryAgain);
  }
  unanswered_ = 0;
  if (IsFinished(status->state)) return End(std::move(status));
  if (status->state != ScanState::kPaused) paused_since_ = kNever;
  if (status->state == ScanState::kPaused && paused_since_ == kNever) paused_since_ = clock_.Now();
  const bool too_long = options_.at_most.has_value() && clock_.Now() - begun_ >= *options_.at_most;
  const bool forgotten = paused_since_ != kNever && clock_.Now() - paused_since_ >= kLongestPause;
  // Again at each look: the coordinator may have been too busy to do it.
  if (too_long || forgotten) scans_.Cancel(id_);
  Look(poll_);
  poll_ = std::min<Duration>(poll_ * 2, kLastLook);
}

void ScanJob::Look(Duration after) {
  After(after, [this] {
    scans_.Get(id_, OnRunner([](ScanJob& self, absl::StatusOr<ScanStatus> status) {
                 self.OnStatus(std::move(status));
               }));
  });
}

void ScanJob::End(absl::StatusOr<ScanStatus> status) {
  if (!ended_) return;
  const std::shared_ptr<ScanJob> self = shared_from_this();  // the callback may let go of it
  std::exchange(ended_, nullptr)(std::move(status));
}

}  // namespace portolan
