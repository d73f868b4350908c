#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace portolan {

// --tls-cert --tls-key --tls-ca of all three programs: PEM files; all or none. Reloaded when they
// change (checked every 30 s).
struct TlsFiles {
  std::string cert, key, ca;
  bool enabled() const { return !cert.empty() || !key.empty() || !ca.empty(); }
};
// InvalidArgument: only some are given, a file cannot be read, the key does not belong to the
// certificate, the certificate has expired; names the file.
absl::Status CheckTlsFiles(const TlsFiles& files);
// What the files hold, checked as CheckTlsFiles does.
struct TlsTexts {
  std::string cert, key, ca;  // PEM
  friend bool operator==(const TlsTexts&, const TlsTexts&) = default;
};
absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsFiles& files);

// Before anything else of gRPC is used; again does nothing. Debian's Abseil is built to look for
// deadlocks at each lock of a mutex, over one table for the whole process: gRPC waits for it.
void StopDeadlockDetection();

// Mutual TLS when `tls` is enabled, else plain text. Keepalive, message limits (64 MiB) and
// back-off as docs/protocol.md says. InvalidArgument for a bad HOST:PORT or bad files. Does not
// wait for the connection.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& target, const TlsFiles& tls);

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsFiles& tls);
// Keepalive enforcement, message limits and connection caps for a server; the same as Dial expects.
void ConfigureServer(grpc::ServerBuilder& builder);

// "HOST:PORT", "[::1]:PORT", ":PORT" is refused: name the address.
struct HostPort {
  std::string host;
  uint16_t port = 0;
  bool loopback = false;  // 127.0.0.0/8, ::1, localhost
};
absl::StatusOr<HostPort> ParseHostPort(const std::string& text);
// "HOST:PORT", with an IPv6 address in brackets.
std::string FormatHostPort(const std::string& host, int port);
// Why this machine cannot listen there: gRPC does not say, the kernel does, asked once more. May
// resolve a name.
std::string WhyCannotListen(const HostPort& address);

}  // namespace portolan
