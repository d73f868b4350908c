#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/time.h"
#include "common/rpc/certificate.h"
#include "common/rpc/channel.h"
#include "common/rpc/identity.h"

namespace portolan {

// The TLS side of an HTTP endpoint: the certificate that it shows, and who is believed. A client
// may come without a certificate, which is for the routes to judge; one that shows a certificate of
// another authority is turned away. Reads its files again when they change, looked at no more often
// than every 10 s; while what it reads is not usable, what it had stays, and it is tried again (the
// log says so once).
// Thread-safe; must outlive its connections.
class HttpTls {
 public:
  // InvalidArgument as CheckTlsFiles.
  static absl::StatusOr<std::unique_ptr<HttpTls>> Load(const TlsFiles& files, const Clock& clock);

  // Prepares the context from which an endpoint makes its connections.
  void SetUp(SSL_CTX& context);
  // Who a connection is of: kNone without a certificate or with one that names no role.
  static PeerIdentity PeerOf(const SSL* connection);

 private:
  using Context = std::shared_ptr<SSL_CTX>;
  struct Times {
    std::filesystem::file_time_type cert, key, ca;
    bool operator==(const Times&) const = default;
  };
  static constexpr Duration kLook = std::chrono::seconds(10);

  HttpTls(TlsFiles files, const Clock& clock) : files_(std::move(files)), clock_(clock) {}
  absl::StatusOr<Context> Read(CertificateFacts* certificate) const;
  Times LastChanges() const;
  Context Current();

  const TlsFiles files_;
  const Clock& clock_;
  Mutex mu_;
  Context current_ GUARDED_BY(mu_);
  Times read_ GUARDED_BY(mu_);
  std::optional<Times> failed_ GUARDED_BY(mu_);  // of those that were told to be unusable
  Time looked_ GUARDED_BY(mu_){};
};

}  // namespace portolan
