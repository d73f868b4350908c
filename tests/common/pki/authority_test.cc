#include "common/pki/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/base/status.h"

namespace portolan {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::HasSubstr;

const WallTime kNow = WallTime(std::chrono::seconds(1'790'000'000));

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;

X509Ptr Parse(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509Ptr x(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  BIO_free(bio);
  return x;
}

// OpenSSL's word about a chain of two, for a purpose, at a time: X509_V_OK or why not.
int Verify(const std::string& ca, const std::string& leaf, int purpose, WallTime at) {
  const X509Ptr root = Parse(ca), one = Parse(leaf);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, one.get(), nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
  X509_STORE_CTX_set_time(context, 0, ToUnixMicros(at) / 1'000'000);
  X509_verify_cert(context);
  const int error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  ERR_clear_error();
  return error;
}

CertifiedKey MakeAuthority(AuthorityRequest request = {}) {
  const auto made = CertificateAuthority::Create(request, kNow);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *made : CertifiedKey();
}

CertificateRequest For(CertificateRole role, std::string name = "") {
  CertificateRequest request;
  request.role = role;
  request.name = std::move(name);
  if (role == CertificateRole::kCoordinator) {
    request.dns = {"scan.example.org", "*.example.org"};
    request.ips = {"10.0.0.5", "2001:db8::5"};
  }
  return request;
}

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() : made_(MakeAuthority()) {
    auto loaded = CertificateAuthority::Load(made_.certificate, made_.key);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    authority_ = std::make_unique<CertificateAuthority>(*std::move(loaded));
  }
  CertifiedKey Issue(const CertificateRequest& request) {
    const auto issued = authority_->Issue(request, kNow);
    EXPECT_TRUE(issued.ok()) << issued.status();
    return issued.ok() ? *issued : CertifiedKey();
  }
  std::string ErrorOf(const CertificateRequest& request, WallTime now = kNow) {
    return std::string(Message(authority_->Issue(request, now).status()));
  }

  CertifiedKey made_;
  std::unique_ptr<CertificateAuthority> authority_;
};

TEST_F(AuthorityTest, WhatItIssuesIsGoodForItsPurposeOnly) {
  const CertifiedKey coordinator = Issue(For(CertificateRole::kCoordinator));
  const CertifiedKey agent = Issue(For(CertificateRole::kAgent, "dmz-1"));
  const CertifiedKey operator_ = Issue(For(CertificateRole::kOperator));
  const std::string& ca = made_.certificate;
  EXPECT_EQ(Verify(ca, coordinator.certificate, X509_PURPOSE_SSL_SERVER, kNow), X509_V_OK);
  EXPECT_EQ(Verify(ca, agent.certificate, X509_PURPOSE_SSL_CLIENT, kNow), X509_V_OK);
  EXPECT_EQ(Verify(ca, operator_.certificate, X509_PURPOSE_SSL_CLIENT, kNow), X509_V_OK);
  EXPECT_EQ(Verify(ca, coordinator.certificate, X509_PURPOSE_SSL_CLIENT, kNow),
            X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(Verify(ca, agent.certificate, X509_PURPOSE_SSL_SERVER, kNow),
            X509_V_ERR_INVALID_PURPOSE);
}

TEST_F(AuthorityTest, UrisAreThoseThatTheCoordinatorWants) {
  EXPECT_EQ(Issue(For(CertificateRole::kCoordinator)).uri,
            "spiffe://portolan/portolan/coordinator");
  EXPECT_EQ(Issue(For(CertificateRole::kAgent)).uri, "spiffe://portolan/portolan/agent");
  EXPECT_EQ(Issue(For(CertificateRole::kAgent, "dmz-1")).uri,
            "spiffe://portolan/portolan/agent/dmz-1");
  EXPECT_EQ(Issue(For(CertificateRole::kOperator, "alice")).uri,
            "spiffe://portolan/portolan/operator/alice");
}

TEST_F(AuthorityTest, ACoordinatorHasTheNamesThatItIsDialledBy) {
  const X509Ptr x = Parse(Issue(For(CertificateRole::kCoordinator)).certificate);
  EXPECT_EQ(X509_check_host(x.get(), "scan.example.org", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(x.get(), "other.example.org", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(x.get(), "example.com", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(x.get(), "10.0.0.5", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(x.get(), "2001:db8::5", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(x.get(), "10.0.0.6", 0), 0);
}

TEST_F(AuthorityTest, ADomainIsKeptInTheAuthority) {
  AuthorityRequest request;
  request.domain = "example.org";
  const CertifiedKey ca = MakeAuthority(request);
  const auto authority = CertificateAuthority::Load(ca.certificate, ca.key);
  ASSERT_TRUE(authority.ok()) << authority.status();
  EXPECT_EQ(authority->domain(), "example.org");
  const auto issued = authority->Issue(For(CertificateRole::kAgent), kNow);
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->uri, "spiffe://example.org/portolan/agent");
  for (const char* bad : {"", "a/b", "Example", "a b", "a?b"}) {
    request.domain = bad;
    EXPECT_THAT(std::string(Message(CertificateAuthority::Create(request, kNow).status())),
                HasSubstr("--domain"))
        << bad;
  }
}

TEST_F(AuthorityTest, LastsAsLongAsAskedButNeverLongerThanTheAuthority) {
  CertificateRequest request = For(CertificateRole::kAgent);
  CertifiedKey made = Issue(request);
  EXPECT_EQ(made.not_after, kNow + hours(24 * 90));
  const int purpose = X509_PURPOSE_SSL_CLIENT;
  EXPECT_EQ(Verify(made_.certificate, made.certificate, purpose, kNow - minutes(59)), X509_V_OK);
  EXPECT_EQ(Verify(made_.certificate, made.certificate, purpose, kNow - minutes(61)),
            X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(Verify(made_.certificate, made.certificate, purpose, kNow + hours(24 * 90 + 1)),
            X509_V_ERR_CERT_HAS_EXPIRED);
  request.valid = hours(24 * 1000);
  made = Issue(request);
  EXPECT_EQ(made.not_after, kNow + hours(24 * 365));
  EXPECT_EQ(made.not_after, authority_->not_after());
  for (const Duration bad :
       {Duration(0), Duration(std::chrono::milliseconds(999)), Duration::max()}) {
    request.valid = bad;
    EXPECT_THAT(ErrorOf(request), HasSubstr("--valid"));
  }
}

TEST_F(AuthorityTest, AnAuthorityThatHasEndedIssuesNothing) {
  const CertificateRequest request = For(CertificateRole::kAgent);
  EXPECT_THAT(ErrorOf(request, kNow + hours(24 * 365)), HasSubstr("the authority ended at 2027-"));
  EXPECT_THAT(ErrorOf(request, kNow - hours(2)), HasSubstr("check the clock"));
}

TEST_F(AuthorityTest, AnAuthorityMaySignNoOtherAuthority) {
  const X509Ptr x = Parse(made_.certificate);
  EXPECT_EQ(X509_get_pathlen(x.get()), 0);
  EXPECT_EQ(X509_get_key_usage(x.get()), static_cast<uint32_t>(KU_KEY_CERT_SIGN));
  const CertifiedKey agent = Issue(For(CertificateRole::kAgent));
  EXPECT_FALSE(CertificateAuthority::Load(agent.certificate, agent.key).ok());
}

TEST_F(AuthorityTest, SerialNumbersHave128RandomBits) {
  std::string last;
  for (int i = 0; i < 4; ++i) {
    const X509Ptr x = Parse(Issue(For(CertificateRole::kAgent)).certificate);
    BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x.get()), nullptr);
    EXPECT_EQ(BN_num_bits(number), 128);
    EXPECT_EQ(BN_is_negative(number), 0);
    char* text = BN_bn2hex(number);
    EXPECT_NE(last, text);
    last = text;
    OPENSSL_free(text);
    BN_free(number);
  }
}

TEST_F(AuthorityTest, BadRequestsAreRefusedByName) {
  CertificateRequest request = For(CertificateRole::kAgent, "a/b");
  EXPECT_THAT(ErrorOf(request), HasSubstr("--name \"a/b\""));
  request.name = std::string(101, 'a');
  EXPECT_THAT(ErrorOf(request), HasSubstr("--name"));
  request.name = std::string(100, 'a');  // longer than a common name may be
  EXPECT_TRUE(authority_->Issue(request, kNow).ok());
  request.dns = {"agent.example.org"};
  EXPECT_THAT(ErrorOf(request), HasSubstr("nobody dials an agent"));

  request = For(CertificateRole::kCoordinator);
  request.dns = request.ips = {};
  EXPECT_THAT(ErrorOf(request), HasSubstr("--dns NAME or --ip ADDRESS"));
  for (const char* bad : {"", ".", "a..b", "-a", "a-.b", "a b", "a,IP:10.0.0.1", "*", "*.", "a.*",
                          "example.org.", "10.0.0.5", "::1"}) {
    request.dns = {bad};
    EXPECT_THAT(ErrorOf(request), HasSubstr("--dns \"")) << bad;
  }
  request.dns = {};
  for (const char* bad : {"", "example.org", "10.0.0", "10.0.0.0/8", "10.0.0.5,DNS:a"}) {
    request.ips = {bad};
    EXPECT_THAT(ErrorOf(request), HasSubstr("--ip")) << bad;
  }
}

TEST_F(AuthorityTest, LoadRefusesWhatIsNoAuthority) {
  const CertifiedKey other = MakeAuthority();
  EXPECT_FALSE(CertificateAuthority::Load(made_.certificate, other.key).ok());
  EXPECT_FALSE(CertificateAuthority::Load("", made_.key).ok());
  EXPECT_FALSE(CertificateAuthority::Load(made_.certificate, "x").ok());
  EXPECT_FALSE(CertificateAuthority::Load(made_.key, made_.certificate).ok());
}

TEST_F(AuthorityTest, ABundleHoldsItsAuthorities) {
  const CertifiedKey other = MakeAuthority();
  const std::string both = other.certificate + made_.certificate;
  EXPECT_TRUE(BundleHolds(both, made_.certificate));
  EXPECT_TRUE(BundleHolds(both, other.certificate));
  EXPECT_FALSE(BundleHolds(other.certificate, made_.certificate));
  EXPECT_FALSE(BundleHolds("", made_.certificate));
  EXPECT_FALSE(BundleHolds(both, ""));
}

TEST_F(AuthorityTest, EitherOfTwoAuthoritiesInAFileIsFound) {
  // Their names differ, so that none is tried for the other's certificates.
  const X509Ptr one = Parse(made_.certificate), two = Parse(MakeAuthority().certificate);
  EXPECT_NE(X509_NAME_cmp(X509_get_subject_name(one.get()), X509_get_subject_name(two.get())), 0);
}

}  // namespace
}  // namespace portolan
