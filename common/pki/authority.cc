#include "common/pki/authority.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "common/base/status.h"
#include "common/net/ip_address.h"

namespace portolan {
namespace {

constexpr size_t kMaxName = 100;  // of an agent, as --name allows it
constexpr size_t kMaxHostNames = 100;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
void FreeNames(GENERAL_NAMES* names) { sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free); }
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<FreeNames>>;

absl::Status CryptoError(std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long e = ERR_get_error(); e != 0) ERR_error_string_n(e, text, sizeof(text));
  ERR_clear_error();
  return Internal("{}: {}", what, text);
}

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate ReadCertificate(BIO* bio) {
  Certificate one(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  ERR_clear_error();
  return one;
}

// Never asks the terminal for a pass phrase, which OpenSSL would do by default.
int NoPassPhrase(char*, int, int, void*) { return -1; }

Key ReadKey(const std::string& pem) {
  Key key(PEM_read_bio_PrivateKey(Memory(pem).get(), nullptr, NoPassPhrase, nullptr));
  ERR_clear_error();
  return key;
}

std::string Taken(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// Whole seconds, as certificates have them.
time_t Seconds(WallTime t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

WallTime TimeOf(const ASN1_TIME* t) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(t, &tm) != 1) return WallTime();  // long ago: it counts as ended
  return WallTime(std::chrono::seconds(timegm(&tm)));
}

std::string TimeText(WallTime t) {
  const time_t seconds = Seconds(t);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

bool AllOf(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != more.npos;
  });
}
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

absl::Status CheckValid(Duration valid) {
  if (valid >= std::chrono::seconds(1) && valid <= std::chrono::hours(24 * 3660))
    return absl::OkStatus();
  return InvalidArgument("--valid {:.0f} s: give a time between 1s and 3660d, as in 90d",
                         ToSeconds(valid));
}

absl::Status CheckDns(const std::string& name) {
  std::string_view rest = name;
  if (rest.substr(0, 2) == "*.") rest.remove_prefix(2);
  bool good = !rest.empty() && rest.size() <= 253 && AllOf(rest, std::string(kUpper) + ".-_");
  // An address here would be one that no client accepts: it belongs to --ip.
  if (good && IpAddress::Parse(rest).ok())
    return InvalidArgument("--dns \"{}\": is an address; give it with --ip", name);
  while (good && !rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    good = !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-';
    rest.remove_prefix(std::min(rest.size(), label.size() + 1));
  }
  if (good && name.back() != '.') return absl::OkStatus();
  return InvalidArgument(
      "--dns \"{}\": no host name; write it as scan.example.org or *.example.org", name);
}

absl::Status AddName(GENERAL_NAMES* names, int type, const std::string& value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text =
      ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (name == nullptr || text == nullptr ||
      ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_STRING_free(text);
    return CryptoError("SAN");
  }
  GENERAL_NAME_set0_value(name, type, text);
  if (sk_GENERAL_NAME_push(names, name) > 0) return absl::OkStatus();
  GENERAL_NAME_free(name);
  return CryptoError("SAN");
}

struct Body {
  std::string common_name;
  std::vector<std::pair<int, std::string>> names;  // SANs: GEN_URI, GEN_DNS, GEN_IPADD
  std::vector<std::pair<int, std::string>> extensions;
  WallTime not_before, not_after;
};

// Signed by `issuer`, or by itself when that is null.
absl::StatusOr<CertifiedKey> Sign(const Body& body, X509* issuer, EVP_PKEY* issuer_key) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate x(X509_new());
  const Number serial(BN_new());
  const Names names(GENERAL_NAMES_new());
  if (key == nullptr || x == nullptr || serial == nullptr || names == nullptr)
    return CryptoError("making a key");
  // The highest bit is set, so that it is neither 0 nor short.
  if (BN_rand(serial.get(), 128, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x.get())) == nullptr ||
      X509_set_version(x.get(), X509_VERSION_3) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(x.get()), Seconds(body.not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(x.get()), Seconds(body.not_after)) == nullptr ||
      X509_set_pubkey(x.get(), key.get()) != 1) {
    return CryptoError("filling in a certificate");
  }
  X509_NAME* subject = X509_get_subject_name(x.get());
  const std::string cn = body.common_name.substr(0, 64);  // X.520's limit
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(cn.data()),
                                 static_cast<int>(cn.size()), -1, 0) != 1 ||
      X509_set_issuer_name(x.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer)) !=
          1) {
    return CryptoError("naming a certificate");
  }
  for (const auto& [nid, value] : body.extensions) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer == nullptr ? x.get() : issuer, x.get(), nullptr, nullptr, 0);
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    const bool added = e != nullptr && X509_add_ext(x.get(), e, -1) == 1;
    X509_EXTENSION_free(e);
    if (!added) return CryptoError(OBJ_nid2sn(nid));
  }
  for (const auto& [type, value] : body.names)
    PORTOLAN_RETURN_IF_ERROR(AddName(names.get(), type, value));
  if (X509_add1_ext_i2d(x.get(), NID_subject_alt_name, names.get(), 0, 0) != 1)
    return CryptoError("SAN");
  EVP_PKEY* const signer = issuer == nullptr ? key.get() : issuer_key;
  // Ed25519 and its like have a digest of their own, and want none.
  char digest[32] = "";
  const bool own = EVP_PKEY_get_default_digest_name(signer, digest, sizeof digest) > 0 &&
                   digest == std::string_view("UNDEF");
  if (X509_sign(x.get(), signer, own ? nullptr : EVP_sha256()) <= 0) return CryptoError("signing");

  const Bio certificate_pem(BIO_new(BIO_s_mem())), key_pem(BIO_new(BIO_s_secmem()));
  if (certificate_pem == nullptr || key_pem == nullptr ||
      PEM_write_bio_X509(certificate_pem.get(), x.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return CryptoError("writing PEM");
  }
  CertifiedKey out;
  out.certificate = Taken(certificate_pem.get());
  out.key = Taken(key_pem.get());
  out.not_after = WallTime(std::chrono::seconds(Seconds(body.not_after)));
  for (const auto& [type, value] : body.names) {
    if (type == GEN_URI) out.uri = value;
  }
  return out;
}

// "spiffe://DOMAIN" of an authority's SAN; of one that has none, the default.
std::string DomainOf(X509* authority) {
  std::string domain = AuthorityRequest().domain;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(authority, NID_subject_alt_name, nullptr, nullptr)));
  constexpr std::string_view kScheme = "spiffe://";
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_URI) continue;
    const std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                               static_cast<size_t>(ASN1_STRING_length(value)));
    if (uri.substr(0, kScheme.size()) != kScheme) continue;
    const std::string_view found = uri.substr(kScheme.size());
    if (!found.empty() && AllOf(found, "._-")) domain = std::string(found);
  }
  return domain;
}

}  // namespace

std::string_view CertificateRoleName(CertificateRole role) {
  switch (role) {
    case CertificateRole::kCoordinator:
      return "coordinator";
    case CertificateRole::kAgent:
      return "agent";
    case CertificateRole::kOperator:
      break;
  }
  return "operator";
}

absl::StatusOr<CertificateRole> ParseCertificateRole(std::string_view text) {
  for (const auto role :
       {CertificateRole::kCoordinator, CertificateRole::kAgent, CertificateRole::kOperator}) {
    if (text == CertificateRoleName(role)) return role;
  }
  return InvalidArgument("role \"{}\": certificates are for a coordinator, an agent or an operator",
                         text);
}

absl::StatusOr<CertifiedKey> CertificateAuthority::Create(const AuthorityRequest& request,
                                                          WallTime now) {
  const std::string& domain = request.domain;
  if (domain.empty() || domain.size() > 255 || !AllOf(domain, "._-"))
    return InvalidArgument("--domain \"{}\": give 1 to 255 characters of a-z 0-9 . _ -", domain);
  PORTOLAN_RETURN_IF_ERROR(CheckValid(request.valid));
  const Number number(BN_new());
  if (number == nullptr || BN_rand(number.get(), 32, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1)
    return CryptoError("random numbers");
  Body body;
  // A successor has another name, so that both can be in one file and none is taken for the other.
  body.common_name = fmt::format("Portolan CA {:08x}", BN_get_word(number.get()));
  body.names = {{GEN_URI, "spiffe://" + domain}};
  body.extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                     {NID_key_usage, "critical,keyCertSign"},
                     {NID_subject_key_identifier, "hash"}};
  body.not_before = now - std::chrono::floor<std::chrono::microseconds>(kCertificateBackdated);
  body.not_after = now + std::chrono::floor<std::chrono::microseconds>(request.valid);
  return Sign(body, nullptr, nullptr);
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Load(std::string certificate,
                                                                std::string key) {
  const Certificate x = ReadCertificate(Memory(certificate).get());
  if (x == nullptr) return InvalidArgument("the authority's file holds no certificate in PEM form");
  const Key k = ReadKey(key);
  if (k == nullptr)
    return InvalidArgument(
        "the authority's key file holds no private key in PEM form without a pass phrase");
  const bool match = X509_check_private_key(x.get(), k.get()) == 1;
  ERR_clear_error();
  if (!match) return InvalidArgument("the authority's key is not of its (first) certificate");
  if (X509_check_ca(x.get()) != 1 || (X509_get_key_usage(x.get()) & KU_KEY_CERT_SIGN) == 0)
    return InvalidArgument("the certificate is not an authority's: it may not sign others");
  CertificateAuthority out;
  out.domain_ = DomainOf(x.get());
  out.not_before_ = TimeOf(X509_get0_notBefore(x.get()));
  out.not_after_ = TimeOf(X509_get0_notAfter(x.get()));
  out.certificate_ = std::move(certificate);
  out.key_ = std::move(key);
  return out;
}

absl::StatusOr<CertifiedKey> CertificateAuthority::Issue(const CertificateRequest& request,
                                                         WallTime now) const {
  PORTOLAN_RETURN_IF_ERROR(CheckValid(request.valid));
  if (request.name.size() > kMaxName || !AllOf(request.name, std::string(kUpper) + "._-")) {
    return InvalidArgument("--name \"{}\": give 1 to {} characters of A-Z a-z 0-9 . _ -",
                           request.name, kMaxName);
  }
  const bool coordinator = request.role == CertificateRole::kCoordinator;
  const size_t host_names = request.dns.size() + request.ips.size();
  if (coordinator && host_names == 0) {
    return InvalidArgument(
        "coordinator: nobody could dial it; name its host as agents and operators will, with --dns "
        "NAME or --ip ADDRESS (both may be repeated; --dns localhost --ip 127.0.0.1 for those on "
        "its own machine)");
  }
  if (!coordinator && host_names != 0) {
    return InvalidArgument("--dns, --ip: nobody dials an {}; leave them out",
                           CertificateRoleName(request.role));
  }
  if (host_names > kMaxHostNames)
    return InvalidArgument("--dns, --ip: {} are given; at most {}", host_names, kMaxHostNames);
  if (now >= not_after_) {
    return FailedPrecondition(
        "the authority ended at {}: make a new one in another directory (portolan ca init --out "
        "DIR), and "
        "give its ca.pem to all",
        TimeText(not_after_));
  }
  if (now < not_before_) {
    return FailedPrecondition("the authority begins at {}: check the clock of this machine",
                              TimeText(not_before_));
  }
  const std::string role(CertificateRoleName(request.role));
  Body body;
  body.common_name =
      "portolan " + role + (request.name.empty() ? std::string() : " " + request.name);
  body.names.emplace_back(GEN_URI, fmt::format("spiffe://{}/portolan/{}{}{}", domain_, role,
                                               request.name.empty() ? "" : "/", request.name));
  for (const std::string& dns : request.dns) {
    PORTOLAN_RETURN_IF_ERROR(CheckDns(dns));
    body.names.emplace_back(GEN_DNS, dns);
  }
  for (const std::string& ip : request.ips) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(ip);
    if (!address.ok()) return Annotate(address.status(), "--ip");
    body.names.emplace_back(GEN_IPADD, address->ToBytes());
  }
  body.extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage, coordinator ? "serverAuth" : "clientAuth"},
                     {NID_subject_key_identifier, "hash"},
                     {NID_authority_key_identifier, "keyid"}};
  body.not_before = now - std::chrono::floor<std::chrono::microseconds>(kCertificateBackdated);
  body.not_after = std::min<WallTime>(
      not_after_, now + std::chrono::floor<std::chrono::microseconds>(request.valid));
  const Certificate issuer = ReadCertificate(Memory(certificate_).get());
  const Key key = ReadKey(key_);
  if (issuer == nullptr || key == nullptr) return CryptoError("reading the authority");
  return Sign(body, issuer.get(), key.get());
}

bool BundleHolds(const std::string& bundle, const std::string& certificate) {
  const Certificate wanted = ReadCertificate(Memory(certificate).get());
  const Bio bio = Memory(bundle);
  while (wanted != nullptr) {
    const Certificate one = ReadCertificate(bio.get());
    if (one == nullptr) break;
    if (X509_cmp(one.get(), wanted.get()) == 0) return true;
  }
  return false;
}

}  // namespace portolan
