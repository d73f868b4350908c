#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace portolan {

// What people are told about a certificate, so that they find it among others.
struct CertificateFacts {
  std::string serial;  // hexadecimal, as `openssl x509 -serial` prints it
  WallTime not_before;
  WallTime not_after;  // when it ends
  friend bool operator==(const CertificateFacts&, const CertificateFacts&) = default;
};

// Returns the facts of the first certificate in `pem`; nullopt if it holds none. Thread-safe.
std::optional<CertificateFacts> ReadCertificateFacts(std::string_view pem);

// "2026-01-02T03:04:05Z".
std::string CertificateTimeText(WallTime time);

// Decides when people are told that a certificate ends: once a day within the last fifth of its
// life, but at most 14 days before, and when it has ended. Pure; not thread-safe.
class ExpiryNotice {
 public:
  enum class Say { kNothing, kEndsSoon, kHasEnded };
  // To be asked again and again; a new certificate starts over. `now` may go backwards.
  Say Look(const CertificateFacts& certificate, WallTime now);

 private:
  WallTime not_after_;            // of the certificate of which it was said
  std::optional<WallTime> said_;  // when it was said last
  bool ended_ = false;            // and whether it had ended then
};

}  // namespace portolan
