#include "coordinator/notify/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {

std::string HmacSha256Hex(std::string_view key, std::string_view message) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  PORTOLAN_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                      reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                      digest, &size) != nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string SignWebhook(std::string_view secret, WallTime now, std::string_view body) {
  const int64_t t = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  return fmt::format("t={},v1={}", t, HmacSha256Hex(secret, fmt::format("{}.{}", t, body)));
}

}  // namespace portolan
