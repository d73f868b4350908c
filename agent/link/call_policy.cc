#include "agent/link/call_policy.h"

#include <algorithm>
#include <cmath>

#include "common/base/status.h"

namespace portolan {

CallPolicy::CallPolicy(size_t coordinators, uint64_t seed)
    : coordinators_(coordinators), random_(seed) {}

Time CallPolicy::NextCallAt(Time now) const {
  if (tokens_ >= 1 || !refilled_.has_value()) return not_before_;
  const double had =
      tokens_ + ToSeconds(std::max(now - *refilled_, Duration::zero())) * kCallsPerSecond;
  if (had >= 1) return not_before_;
  return std::max(not_before_, now + FromSeconds((1 - had) / kCallsPerSecond));
}

void CallPolicy::OnCall(Time now) {
  if (refilled_.has_value())
    tokens_ = std::min(kCallBurst, tokens_ + ToSeconds(now - *refilled_) * kCallsPerSecond);
  refilled_ = now;
  tokens_ = std::max(0.0, tokens_ - 1);
}

void CallPolicy::OnAnswer(Time now) {
  failures_ = 0;
  refusals_ = 0;
  not_before_ = now;
}

void CallPolicy::OnWait(Duration wait, Time now) {
  OnAnswer(now);
  not_before_ = now + wait;
}

absl::Status CallPolicy::OnFailure(const absl::Status& error, Time now) {
  switch (error.code()) {
    case absl::StatusCode::kAborted:
      return Annotate(error,
                      "superseded: another agent of this name has registered; give each agent a "
                      "--name of its own");
    case absl::StatusCode::kAlreadyExists:
      return Annotate(error, "another agent of this name is at work");
    case absl::StatusCode::kInvalidArgument:
      return Annotate(error, "the coordinator does not accept this agent");
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      if (++refusals_ >= kRefusalsAreFatal)
        return Annotate(error, "the coordinator refuses this agent");
      break;
    default:
      refusals_ = 0;
      break;
  }
  const int round = failures_ / static_cast<int>(coordinators_);
  ++failures_;
  current_ = (current_ + 1) % coordinators_;
  const double whole = std::min(ToSeconds(kLongestPause),
                                ToSeconds(kFirstPause) * std::pow(2.0, std::min(round, 20)));
  const double part = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  not_before_ = now + FromSeconds(whole * part);
  return absl::OkStatus();
}

}  // namespace portolan
