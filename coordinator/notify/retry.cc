#include "coordinator/notify/retry.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace portolan {

Duration WebhookBackoff(uint32_t failures, double chance) {
  const uint32_t doublings = std::min<uint32_t>(std::max<uint32_t>(failures, 1), 10);  // 1,024 s
  const double top = std::min(static_cast<double>(1u << doublings), ToSeconds(kMaxBackoff));
  const double delay = top * (0.5 + 0.5 * std::clamp(chance, 0.0, 1.0));
  return std::clamp<Duration>(FromSeconds(delay), std::chrono::seconds(1), kMaxBackoff);
}

std::optional<Duration> ParseRetryAfter(std::string_view value, WallTime now) {
  uint64_t seconds = 0;
  const char* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, seconds);
  if (parsed.ptr == end && !value.empty()) {
    const bool far = parsed.ec != std::errc() || seconds >= 3600;
    return far ? kMaxRetryAfter : Duration(std::chrono::seconds(seconds));
  }
  tm date = {};
  const std::string text(value);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const WallTime when(std::chrono::seconds(timegm(&date)));
  if (when <= now) return Duration::zero();
  return std::min<Duration>(std::min<WallTime::duration>(when - now, std::chrono::hours(1)),
                            kMaxRetryAfter);
}

WebhookVerdict JudgeWebhook(int status) {
  switch (status) {
    case 408:  // request timeout
    case 425:  // too early
    case 429:  // too many requests
    case 502:  // gateways, of what is behind them
    case 503:
    case 504:
      return WebhookVerdict::kReceiverFails;
    default:
      break;
  }
  if (status < 100) return WebhookVerdict::kReceiverFails;
  if (status >= 200 && status < 300) return WebhookVerdict::kDelivered;
  // A redirect is not followed: the address is wrong, and stays so.
  if (status >= 300 && status < 500) return WebhookVerdict::kRefused;
  return WebhookVerdict::kMessageFails;
}

}  // namespace portolan
