#pragma once

#include <optional>
#include <string>

#include "common/base/time.h"

// What people are told about certificates. Pure.
namespace portolan {

// What tells a certificate from others, and how long it holds.
struct CertificateFacts {
  std::string serial;  // hexadecimal, as `openssl x509 -serial` prints it
  WallTime not_before;
  WallTime not_after;  // when it ends
  friend bool operator==(const CertificateFacts&, const CertificateFacts&) = default;
};

// "2026-01-02T03:04:05Z".
std::string CertificateTimeText(WallTime time);

// Decides when people are told that a certificate ends: within the last fifth of its life, but at
// most 14 days before, and when it has ended. Not thread-safe.
class ExpiryNotice {
 public:
  enum class Say { kNothing, kEndsSoon, kHasEnded };
  // Whether both are said again every day, or once for each certificate.
  enum class Repeat { kDaily, kOnce };
  explicit ExpiryNotice(Repeat repeat = Repeat::kDaily) : repeat_(repeat) {}

  // To be asked again and again; a new certificate starts over. `now` may go backwards.
  Say Look(const CertificateFacts& certificate, WallTime now);

 private:
  Repeat repeat_;
  WallTime not_after_;            // of the certificate of which it was said
  std::optional<WallTime> said_;  // when it was said last
  bool ended_ = false;            // and whether it had ended then
};

}  // namespace portolan
