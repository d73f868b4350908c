#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/rpc/certificate.h"

namespace portolan {

// Who calls, told by the first SAN URI of its certificate whose path is ours:
// spiffe://TRUST-DOMAIN/portolan/agent[/NAME] or
// .../portolan/operator[/NAME] (and .../portolan/coordinator, for servers). Without TLS (loopback,
// in process, --insecure) everybody is kAnyone.
enum class Role { kNone, kAgent, kOperator, kCoordinator, kAnyone };
struct PeerIdentity {
  Role role = Role::kNone;
  std::string name;                                            // of the certificate; empty: any
  std::optional<CertificateFacts> certificate = std::nullopt;  // of callers over TLS
};

PeerIdentity IdentityFromUris(const std::vector<std::string>& san_uris);  // pure
PeerIdentity IdentifyPeer(const grpc::ServerContextBase& context);

// OK, or PermissionDenied saying which URI is needed and what was found. An agent may call
// FleetService only, under its own name when its certificate has one; an operator may call
// ScanService and MonitorService only.
absl::Status MayCallFleet(const PeerIdentity& peer, const std::string& agent_name);
absl::Status MayOperate(const PeerIdentity& peer, std::string_view service);
absl::Status MayCallScans(const PeerIdentity& peer);
absl::Status MayCallMonitors(const PeerIdentity& peer);

}  // namespace portolan
