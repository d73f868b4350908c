#include "common/rpc/channel.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/synchronization/mutex.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr int kMaxMetadataBytes = 64 << 10;
constexpr unsigned kTlsReloadSeconds = 30;
// A server closes connections that ping more often than it allows, with or without calls; so its
// limit is well below what clients do.
constexpr int kClientKeepaliveMs = 20'000;
constexpr int kServerAllowsPingEveryMs = 10'000;
constexpr int kServerKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;

std::shared_ptr<grpc::experimental::FileWatcherCertificateProvider> Watch(const TlsFiles& tls) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls.key, tls.cert, tls.ca, kTlsReloadSeconds);
}

}  // namespace

void StopDeadlockDetection() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Dial(const std::string& target,
                                                    const TlsFiles& tls) {
  StopDeadlockDetection();
  PORTOLAN_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(target));
  if (address.port == 0) return InvalidArgument("address \"{}\": port 0 cannot be dialled", target);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (tls.enabled()) {
    PORTOLAN_RETURN_IF_ERROR(CheckTlsFiles(tls));
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(Watch(tls));
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    // The coordinator's certificate must name the host that is dialled.
    options.set_certificate_verifier(
        std::make_shared<grpc::experimental::HostNameCertificateVerifier>());
    credentials = grpc::experimental::TlsCredentials(options);
  } else {
    credentials = grpc::InsecureChannelCredentials();
  }
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  args.SetMaxSendMessageSize(kMaxMessageBytes);
  args.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kClientKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
              3'000);  // how long one attempt to connect may take
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // dial what was named, whatever http_proxy says
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);  // no TXT look-ups
  return grpc::CreateCustomChannel("dns:///" + FormatHostPort(address.host, address.port),
                                   credentials, args);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& tls) {
  StopDeadlockDetection();
  if (!tls.enabled()) return grpc::InsecureServerCredentials();
  PORTOLAN_RETURN_IF_ERROR(CheckTlsFiles(tls));
  grpc::experimental::TlsServerCredentialsOptions options(Watch(tls));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

void ConfigureServer(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kServerAllowsPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000);
  // Else a second coordinator could bind the same port and take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // What all connections together may hold in buffers; beyond, they are read more slowly.
  grpc::ResourceQuota quota("portolan");
  quota.Resize(size_t{1} << 30);
  builder.SetResourceQuota(quota);
}

}  // namespace portolan
