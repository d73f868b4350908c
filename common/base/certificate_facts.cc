#include "common/base/certificate_facts.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace portolan {

std::string CertificateTimeText(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[40];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

ExpiryNotice::Say ExpiryNotice::Look(const CertificateFacts& certificate, WallTime now) {
  constexpr WallTime::duration kDay = std::chrono::hours(24);
  if (certificate.not_after != not_after_) {
    not_after_ = certificate.not_after;
    said_.reset();
    ended_ = false;
  }
  const WallTime::duration life = certificate.not_after - certificate.not_before;
  const WallTime from = certificate.not_after - std::min<WallTime::duration>(life / 5, 14 * kDay);
  if (now < from) return Say::kNothing;
  const bool ended = now >= certificate.not_after;
  const bool first = !said_.has_value() || (ended && !ended_);
  const bool daily = repeat_ == Repeat::kDaily && said_.has_value() &&
                     (now - *said_ >= kDay || now < *said_ || ended != ended_);
  if (!first && !daily) return Say::kNothing;
  said_ = now;
  ended_ = ended;
  return ended ? Say::kHasEnded : Say::kEndsSoon;
}

}  // namespace portolan
