#include "agent/pacing/rate_meter.h"

namespace portolan {

void ProbeRateMeter::Observe(Time now, uint64_t total, bool busy) {
  if (busy && last_ != Time::min() && now > last_) busy_ += now - last_;
  last_ = now;
  // A fast agent is known to be one before its first, small leases have cost it much.
  const bool fast = rate_ == 0 && total - sampled_ >= kFirst && busy_ >= kFirstBusy;
  if (busy_ < std::chrono::seconds(1) && !fast) return;
  const double sample = static_cast<double>(total - sampled_) / ToSeconds(busy_);
  rate_ = rate_ == 0 ? sample : 0.5 * (rate_ + sample);
  sampled_ = total;
  busy_ = Duration::zero();
}

}  // namespace portolan
