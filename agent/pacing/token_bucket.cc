#include "agent/pacing/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace portolan {
namespace {

// So that rounding does not let a caller wake at Next() and find nothing.
constexpr double kWhole = 1 - 1e-6;

}  // namespace

void TokenBucket::SetRate(double rate) {
  rate_ = std::isnan(rate) ? 0 : rate;
  // A little less than 1 + share, so that with the share of a window of kCatchUp it is less than
  // 1 + 2 shares: at most 2 of them are whole.
  const double share = std::max(rate_, 0.0) * ToSeconds(kCatchUp);
  capacity_ = 1 + share - 0.1 * std::min(share, 1.0);
  tokens_ = std::min(tokens_, capacity_);
}

void TokenBucket::Fill(Time now) {
  if (filled_ == Time::min()) filled_ = now;
  if (now <= filled_) return;
  tokens_ = std::min(tokens_ + ToSeconds(now - filled_) * rate_, capacity_);
  filled_ = now;
}

bool TokenBucket::Has(Time now) {
  if (rate_ < 0) return true;
  Fill(now);
  return rate_ > 0 && tokens_ >= kWhole;
}

void TokenBucket::Charge(double count) {
  if (rate_ >= 0) tokens_ -= count;
}

Time TokenBucket::Next(Time now) {
  if (Has(now)) return now;
  if (rate_ <= 0) return kNever;
  const double seconds = (1 - tokens_) / rate_;
  if (seconds > 1e6) return kNever;
  return now + FromSeconds(seconds) + Duration(1);
}

}  // namespace portolan
