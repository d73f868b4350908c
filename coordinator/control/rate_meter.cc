#include "coordinator/control/rate_meter.h"

namespace portolan {

void RateMeter::Sample(Time now, uint64_t count) {
  if (!points_.empty() && count < points_.back().count) points_.clear();
  // Samples that come closer than a twentieth of the window replace each other, so that memory is
  // bounded whoever calls.
  if (points_.size() >= 2 && now - points_[points_.size() - 2].time < window_ / 20)
    points_.pop_back();
  points_.push_back({now, count});
  // The first point at or beyond the window's edge stays: it is where the window begins.
  while (points_.size() > 2 && now - points_[1].time >= window_) points_.pop_front();
}

double RateMeter::rate() const {
  if (points_.size() < 2) return 0;
  const double seconds = ToSeconds(points_.back().time - points_.front().time);
  if (seconds <= 0) return 0;
  return static_cast<double>(points_.back().count - points_.front().count) / seconds;
}

}  // namespace portolan
