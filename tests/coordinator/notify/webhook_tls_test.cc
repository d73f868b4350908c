#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <cstdio>

#include "tests/coordinator/notify/webhook_fixture.h"

namespace portolan {
namespace {

using testing::HasSubstr;

// A certificate for `san` that is its own authority, and its key, as files.
void MakeCertificate(const std::string& san, const std::string& certificate_file,
                     const std::string& key_file) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  for (const auto& [nid, value] : {std::pair<int, std::string>{NID_basic_constraints, "CA:TRUE"},
                                   {NID_subject_alt_name, san}}) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    ASSERT_NE(extension, nullptr);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  ASSERT_GT(X509_sign(x, key, EVP_sha256()), 0);
  FILE* f = fopen(certificate_file.c_str(), "w");
  ASSERT_EQ(PEM_write_X509(f, x), 1);
  fclose(f);
  f = fopen(key_file.c_str(), "w");
  ASSERT_EQ(PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  fclose(f);
  X509_free(x);
  EVP_PKEY_free(key);
}

class WebhookTlsTest : public WebhookTest {
 protected:
  WebhookTlsTest() {
    signal(SIGPIPE, SIG_IGN);  // as the programs do
  }
  void Up(const std::string& san) {
    MakeCertificate(san, Path("cert.pem"), Path("key.pem"));
    server_ =
        std::make_unique<httplib::SSLServer>(Path("cert.pem").c_str(), Path("key.pem").c_str());
    ASSERT_TRUE(server_->is_valid());
    server_->Post(".*",
                  [this](const httplib::Request& r, httplib::Response&) { requests_.Add(r); });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  void Send(const std::string& ca) {
    WebhookReceiver to = To("a", port_);
    to.url = WebhookUrl::Parse("https://127.0.0.1:" + std::to_string(port_) + "/").value();
    to.tls_ca_file = ca;
    Configure({to});
    Start();
    Put("x");
    Put("y");
  }
  ~WebhookTlsTest() override {
    sender_.reset();
    if (server_ == nullptr) return;
    server_->stop();
    thread_.join();
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }

  std::unique_ptr<httplib::SSLServer> server_;
  std::thread thread_;
  int port_ = 0;
  EventLog<httplib::Request> requests_;
};

TEST_F(WebhookTlsTest, ReceiverOfTheGivenAuthorityIsTrusted) {
  Up("IP:127.0.0.1");
  Send(Path("cert.pem"));
  const auto attempts = attempts_.WaitFor(2);
  EXPECT_TRUE(attempts[0].delivered) << attempts[0].detail;
  EXPECT_TRUE(attempts[1].delivered) << attempts[1].detail;
}

TEST_F(WebhookTlsTest, UnknownAuthorityIsSentNothing) {
  Up("IP:127.0.0.1");
  Send("");
  const WebhookAttempt a = attempts_.WaitFor(1)[0];
  EXPECT_FALSE(a.delivered);
  EXPECT_FALSE(a.dead) << "a certificate can be mended";
  EXPECT_THAT(a.detail, HasSubstr("certificate"));
  EXPECT_EQ(requests_.size(), 0u);
}

TEST_F(WebhookTlsTest, CertificateOfAnotherHostIsSentNothing) {
  Up("IP:127.0.0.2,DNS:localhost");
  Send(Path("cert.pem"));
  const WebhookAttempt a = attempts_.WaitFor(1)[0];
  EXPECT_FALSE(a.delivered);
  EXPECT_THAT(a.detail, HasSubstr("certificate"));
  EXPECT_EQ(requests_.size(), 0u);
}

TEST_F(WebhookTlsTest, PlainReceiverBehindHttpsIsAFailure) {
  HttpReceiver plain;
  plain.Up();
  port_ = plain.port();
  Send("");
  EXPECT_FALSE(attempts_.WaitFor(1)[0].delivered);
  EXPECT_EQ(plain.requests.size(), 0u);
}

}  // namespace
}  // namespace portolan
