#pragma once

#include <algorithm>

#include "common/base/time.h"

namespace portolan {

// A round-trip time and how much it varies, as RFC 6298 (Jacobson, Karels) keeps them: gains 1/8
// and 1/4, four deviations of patience. What differs from a TCP sender, and why: the caller's floor
// replaces its 1 s, which guards a congested path against needless retransmissions, where a probe
// has at most a few; and the deviation counts as at least a quarter of the mean, because a run of
// equal samples says little about the next one, and an answer after the timeout is lost. Pure.
class RttEstimator {
 public:
  void Sample(Duration rtt) {
    const double r = std::max(ToSeconds(rtt), 0.0);
    if (samples_ == 0) {
      mean_ = static_cast<float>(r);
      deviation_ = static_cast<float>(r / 2);
    } else {
      deviation_ += static_cast<float>((std::abs(r - mean_) - deviation_) / 4);
      mean_ += static_cast<float>((r - mean_) / 8);
    }
    if (samples_ < UINT32_MAX) ++samples_;
  }

  uint32_t samples() const { return samples_; }
  Duration mean() const { return FromSeconds(mean_); }
  // How long to wait for an answer. Only with samples.
  Duration Timeout() const { return FromSeconds(mean_ + 4 * std::max(deviation_, mean_ / 4)); }

 private:
  float mean_ = 0;       // seconds
  float deviation_ = 0;  // seconds
  uint32_t samples_ = 0;
};

}  // namespace portolan
