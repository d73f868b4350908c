#include "agent/pacing/rate_meter.h"

namespace portolan {

void ProbeRateMeter::Observe(Time now, uint64_t total, bool busy) {
  if (busy && last_ != Time::min() && now > last_) busy_ += now - last_;
  last_ = now;
  if (busy_ < std::chrono::seconds(1)) return;
  const double sample = static_cast<double>(total - sampled_) / ToSeconds(busy_);
  rate_ = rate_ == 0 ? sample : 0.5 * (rate_ + sample);
  sampled_ = total;
  busy_ = Duration::zero();
}

}  // namespace portolan
