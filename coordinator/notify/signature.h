#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"

namespace portolan {

// HMAC-SHA256 in lower-case hexadecimal.
std::string HmacSha256Hex(std::string_view key, std::string_view message);

// The value of X-Portolan-Signature: "t=1700000000,v1=HEX", HEX over "1700000000." and the body.
// The time is in it so that a recorded request cannot be played again later; the receiver checks
// its age.
std::string SignWebhook(std::string_view secret, WallTime now, std::string_view body);

}  // namespace portolan
