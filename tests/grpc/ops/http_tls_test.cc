#include "common/ops/http_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>

#include "common/base/status.h"
#include "common/ops/health_check.h"
#include "common/ops/http_endpoint.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/fake_clock.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

class HttpTlsTest : public ::testing::Test {
 protected:
  // An endpoint with one route, which answers who asks.
  void Start() {
    HttpEndpointOptions options;
    options.listen = "127.0.0.1:0";
    options.tls = server_;
    options.routes = {{"/api/who", [](HttpRequest r, std::function<void(HttpReply)> done) {
                         HttpReply reply;
                         reply.body = fmt::format("{} {} {}", r.tls, static_cast<int>(r.peer.role),
                                                  r.peer.name);
                         done(reply);
                       }}};
    auto endpoint = HttpEndpoint::Start(std::move(options), {});
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
  }
  // The body, or why there is none.
  std::string Ask(const std::string& path, const TlsFiles& as, const std::string& trusts) {
    httplib::SSLClient client("localhost", endpoint_->port(), as.cert, as.key);
    client.set_ca_cert_path(trusts.c_str());
    const httplib::Result result = client.Get(path);
    return result ? result->body : "error " + httplib::to_string(result.error());
  }

  CertificateMaker ca_{"http-tls"};
  const TlsFiles server_ = ca_.Issue("server", {"DNS:localhost", "IP:127.0.0.1"});
  std::unique_ptr<HttpEndpoint> endpoint_;
};

TEST_F(HttpTlsTest, TellsTheRouteWhoAsks) {
  Start();
  const TlsFiles alice = ca_.Issue("alice", {"URI:spiffe://x/portolan/operator/alice"});
  const TlsFiles agent = ca_.Issue("agent", {"URI:spiffe://x/portolan/agent/a1"});
  const TlsFiles other = ca_.Issue("other", {"DNS:localhost"});
  const auto who = [](Role role, const std::string& name) {
    return fmt::format("true {} {}", static_cast<int>(role), name);
  };
  EXPECT_EQ(Ask("/api/who", alice, ca_.ca_file()), who(Role::kOperator, "alice"));
  EXPECT_EQ(Ask("/api/who", agent, ca_.ca_file()), who(Role::kAgent, "a1"));
  EXPECT_EQ(Ask("/api/who", other, ca_.ca_file()), who(Role::kNone, ""));
  EXPECT_EQ(Ask("/api/who", {}, ca_.ca_file()), who(Role::kNone, ""));
  EXPECT_EQ(Ask("/livez", {}, ca_.ca_file()), "ok\n");
}

TEST_F(HttpTlsTest, TurnsAwayWhoComesFromAnotherAuthorityOrTooLateOrInPlainText) {
  Start();
  CertificateMaker stranger("stranger");
  const TlsFiles fake = stranger.Issue("fake", {"URI:spiffe://x/portolan/operator/alice"});
  const TlsFiles late = ca_.Issue("late", {"URI:spiffe://x/portolan/operator/alice"}, -7200, -3600);
  EXPECT_THAT(Ask("/api/who", fake, ca_.ca_file()), HasSubstr("error"));
  EXPECT_THAT(Ask("/api/who", late, ca_.ca_file()), HasSubstr("error"));
  EXPECT_THAT(Ask("/livez", {}, stranger.ca_file()), HasSubstr("error"));
  httplib::Client plain("127.0.0.1", endpoint_->port());
  EXPECT_FALSE(plain.Get("/livez"));
  EXPECT_EQ(Ask("/livez", {}, ca_.ca_file()), "ok\n") << "still serves others";
}

TEST_F(HttpTlsTest, HealthIsAskedOverTlsToo) {
  Start();
  const std::string address = FormatHostPort("127.0.0.1", endpoint_->port());
  EXPECT_EQ(CheckHealth("program", address, /*tls=*/true), 0);
  EXPECT_EQ(CheckHealth("program", address, /*tls=*/false), 1);
  endpoint_.reset();
  EXPECT_EQ(CheckHealth("program", address, /*tls=*/true), 1);
}

TEST_F(HttpTlsTest, FilesThatDoNotFitAreNamed) {
  HttpEndpointOptions options;
  options.listen = "127.0.0.1:0";
  options.tls = server_;
  options.tls.key = ca_.Issue("else", {}).key;
  const absl::Status status = HttpEndpoint::Start(std::move(options), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("else.key"));
}

// The serial number of the certificate that a connection is shown.
long SerialShown(SSL_CTX& server_context) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> client_context(
      SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> server(SSL_new(&server_context), &SSL_free),
      client(SSL_new(client_context.get()), &SSL_free);
  BIO *one = nullptr, *other = nullptr;
  BIO_new_bio_pair(&one, 0, &other, 0);
  SSL_set_bio(server.get(), one, one);
  SSL_set_bio(client.get(), other, other);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  for (int i = 0; i < 20 && SSL_is_init_finished(client.get()) == 0; ++i) {
    SSL_do_handshake(client.get());
    SSL_do_handshake(server.get());
  }
  const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(client.get()),
                                                          &X509_free);
  return shown == nullptr ? -1 : ASN1_INTEGER_get(X509_get0_serialNumber(shown.get()));
}

TEST_F(HttpTlsTest, RenewedCertificatesAreShownAndBrokenOnesAreNot) {
  FakeClock clock;
  auto tls = HttpTls::Load(server_, clock);
  ASSERT_TRUE(tls.ok()) << tls.status();
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()),
                                                                  &SSL_CTX_free);
  (*tls)->SetUp(*context);
  const long first = SerialShown(*context);
  ASSERT_GT(first, 0);

  const auto changed = [&](const std::string& file, int seconds) {
    std::filesystem::last_write_time(
        file, std::filesystem::last_write_time(file) + std::chrono::seconds(seconds));
  };
  ca_.Issue("server", {"DNS:localhost", "IP:127.0.0.1"});
  changed(server_.cert, 5);
  EXPECT_EQ(SerialShown(*context), first) << "not looked at yet";
  clock.Advance(std::chrono::seconds(10));
  const long second = SerialShown(*context);
  EXPECT_NE(second, first);

  std::filesystem::resize_file(server_.key, 10);
  changed(server_.key, 10);
  clock.Advance(std::chrono::seconds(10));
  EXPECT_EQ(SerialShown(*context), second);
}

}  // namespace
}  // namespace portolan
