#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/time.h"

// When a webhook is sent again, as pure functions.
namespace portolan {

inline constexpr Duration kMaxBackoff = std::chrono::minutes(10);
inline constexpr Duration kMaxRetryAfter = std::chrono::hours(1);

// How long to wait after `failures` (at least 1) failures in a row: the upper end is 2 s and
// doubles up to 10 min; `chance` in [0, 1) picks from its upper half, so that many senders do not
// come back at once. Always within [1 s, 10 min].
Duration WebhookBackoff(uint32_t failures, double chance);

// The value of a Retry-After header: seconds, or a date as HTTP writes it ("Sun, 06 Nov 1994
// 08:49:37 GMT"). At most an hour, whatever it says; nullopt: not understood.
std::optional<Duration> ParseRetryAfter(std::string_view value, WallTime now);

enum class WebhookVerdict : uint8_t {
  kDelivered,
  kReceiverFails,  // nobody answers, or not now: nothing else would get through either
  kMessageFails,   // it answers with an error that may be due to this message alone
  kRefused,        // it will never take this
};
// `status`: of HTTP, 0 without an answer.
WebhookVerdict JudgeWebhook(int status);

}  // namespace portolan
