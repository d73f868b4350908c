#include "common/rpc/identity.h"

#include <string_view>

#include "common/base/status.h"

namespace portolan {
namespace {

// The role and name of one URI; kNone when it is not ours.
PeerIdentity FromUri(std::string_view uri) {
  constexpr std::string_view kScheme = "spiffe://";
  constexpr std::string_view kPath = "/portolan/";
  if (uri.substr(0, kScheme.size()) != kScheme) return {};
  uri.remove_prefix(kScheme.size());
  const size_t slash = uri.find('/');
  if (slash == 0 || slash == std::string_view::npos) return {};  // no trust domain, or no path
  uri.remove_prefix(slash);
  if (uri.substr(0, kPath.size()) != kPath) return {};
  uri.remove_prefix(kPath.size());
  const size_t end = uri.find('/');
  const std::string_view role = uri.substr(0, end);
  std::string_view name;
  if (end != std::string_view::npos) {
    name = uri.substr(end + 1);
    // "agent/" or "agent/a/b" is a mistake of whoever made the certificate; no name is safer than a
    // guess, and no role safer still.
    if (name.empty() || name.find('/') != std::string_view::npos) return {};
  }
  PeerIdentity identity;
  identity.name = std::string(name);
  if (role == "agent") {
    identity.role = Role::kAgent;
  } else if (role == "operator") {
    identity.role = Role::kOperator;
  } else if (role == "coordinator") {
    identity.role = Role::kCoordinator;
  } else {
    return {};
  }
  return identity;
}

std::string Describe(const PeerIdentity& peer) {
  const std::string name = peer.name.empty() ? "" : fmt::format(" \"{}\"", peer.name);
  switch (peer.role) {
    case Role::kNone:
      return "is absent, or has no SAN URI of Portolan";
    case Role::kAgent:
      return fmt::format("is of an agent{}", name);
    case Role::kOperator:
      return fmt::format("is of an operator{}", name);
    case Role::kCoordinator:
      return fmt::format("is of a coordinator{}", name);
    case Role::kAnyone:
      break;
  }
  return "is absent";
}

}  // namespace

PeerIdentity IdentityFromUris(const std::vector<std::string>& san_uris) {
  for (const std::string& uri : san_uris) {
    PeerIdentity identity = FromUri(uri);
    if (identity.role != Role::kNone) return identity;
  }
  return {};
}

PeerIdentity IdentifyPeer(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  bool tls = false;
  std::vector<std::string> uris;
  if (auth != nullptr) {
    for (const grpc::string_ref& type :
         auth->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME)) {
      tls = tls || type == GRPC_TLS_TRANSPORT_SECURITY_TYPE ||
            type == GRPC_SSL_TRANSPORT_SECURITY_TYPE;
    }
    for (const grpc::string_ref& uri : auth->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
      uris.emplace_back(uri.data(), uri.size());
    }
  }
  // A server with certificates takes no other connections, but for the in-process ones of its own
  // program.
  if (!tls) return PeerIdentity{Role::kAnyone, ""};
  PeerIdentity identity = IdentityFromUris(uris);
  const std::vector<grpc::string_ref> pem =
      auth->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (!pem.empty())
    identity.certificate = ReadCertificateFacts({pem.front().data(), pem.front().size()});
  return identity;
}

absl::Status MayCallFleet(const PeerIdentity& peer, const std::string& agent_name) {
  if (peer.role == Role::kAnyone) return absl::OkStatus();
  if (peer.role != Role::kAgent) {
    return PermissionDenied(
        "FleetService: needs a certificate with SAN URI spiffe://DOMAIN/portolan/agent or "
        ".../agent/{}; the caller's {}",
        agent_name, Describe(peer));
  }
  if (!peer.name.empty() && peer.name != agent_name) {
    return PermissionDenied(
        "agent name \"{}\": the caller's certificate {}; give it a certificate of its own, or "
        "--name {}",
        agent_name, Describe(peer), peer.name);
  }
  return absl::OkStatus();
}

absl::Status MayOperate(const PeerIdentity& peer, std::string_view service) {
  if (peer.role == Role::kAnyone || peer.role == Role::kOperator) return absl::OkStatus();
  return PermissionDenied(
      "{}: needs a certificate with SAN URI spiffe://DOMAIN/portolan/operator; the caller's {}",
      service, Describe(peer));
}

absl::Status MayCallScans(const PeerIdentity& peer) { return MayOperate(peer, "ScanService"); }
absl::Status MayCallMonitors(const PeerIdentity& peer) {
  return MayOperate(peer, "MonitorService");
}

}  // namespace portolan
