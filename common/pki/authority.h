#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"

// A certificate authority for fleets that have none: mutual TLS from the first minute.
namespace portolan {

// What the holder of a certificate may do; its SAN URI says so (common/rpc/identity.h).
enum class CertificateRole { kCoordinator, kAgent, kOperator };
std::string_view CertificateRoleName(CertificateRole role);  // "coordinator"
// InvalidArgument naming the three.
absl::StatusOr<CertificateRole> ParseCertificateRole(std::string_view text);

// Nothing is revoked (nobody would ask), so what is stolen is good until it ends: few months for
// what lies on many machines. Programs read renewed files without a restart. An authority's key
// lies on one machine, and its replacement concerns every machine: once a year.
inline constexpr Duration kDefaultAuthorityValid = std::chrono::hours(24 * 365);
inline constexpr Duration kDefaultCertificateValid = std::chrono::hours(24 * 90);
// For peers whose clocks are behind.
inline constexpr Duration kCertificateBackdated = std::chrono::hours(1);

struct CertificateRequest {
  CertificateRole role = CertificateRole::kAgent;
  std::string name;              // the one agent or operator that may use it; empty: any of them
  std::vector<std::string> dns;  // how a coordinator is dialled: names (also "*.example.org")
  std::vector<std::string> ips;  // and addresses
  Duration valid = kDefaultCertificateValid;
};

// A private key and its certificate, both PEM.
struct CertifiedKey {
  std::string certificate, key;
  std::string uri;  // the SAN URI
  WallTime not_after;
};

struct AuthorityRequest {
  std::string domain = "portolan";  // of the URIs: spiffe://DOMAIN/portolan/...
  Duration valid = kDefaultAuthorityValid;
};

// Keys are EC P-256, serial numbers 128 random bits. Authorities issue to end entities only (path
// length 0). They carry no name constraints: what a coordinator will be called is not known when
// one is made, and only Portolan's --tls-ca trusts it.
class CertificateAuthority {
 public:
  // InvalidArgument: the domain is no trust domain (a-z 0-9 . _ -), or the time is not between a
  // second and ten years.
  static absl::StatusOr<CertifiedKey> Create(const AuthorityRequest& request, WallTime now);

  // Of Create, or another authority that may sign certificates. InvalidArgument: not PEM, the key
  // is of another certificate, not an authority's.
  static absl::StatusOr<CertificateAuthority> Load(std::string certificate, std::string key);

  // InvalidArgument naming the flag: a bad name or address, a coordinator that cannot be dialled,
  // an agent that can. FailedPrecondition: the authority has ended, or has not begun. Never valid
  // for longer than the authority.
  absl::StatusOr<CertifiedKey> Issue(const CertificateRequest& request, WallTime now) const;

  const std::string& certificate() const { return certificate_; }
  const std::string& domain() const { return domain_; }
  WallTime not_after() const { return not_after_; }

 private:
  CertificateAuthority() = default;
  std::string certificate_, key_;
  std::string domain_;
  WallTime not_before_, not_after_;
};

// Whether one of the certificates in `bundle` is the (first) one in `certificate`; both PEM.
bool BundleHolds(const std::string& bundle, const std::string& certificate);

}  // namespace portolan
