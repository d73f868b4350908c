#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "common/rpc/channel.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "tests/fakes/certificates.h"

namespace portolan {
namespace {

// A generic server with one method that answers who called.
class WhoAmI final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      Reactor(grpc::GenericCallbackServerContext* context,
              std::vector<std::optional<CertificateFacts>>* certificates) {
        const PeerIdentity peer = IdentifyPeer(*context);
        Finish(grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                            fmt::format("{} {}", static_cast<int>(peer.role), peer.name)));
        if (certificates != nullptr) certificates->push_back(peer.certificate);
      }
      void OnDone() override { delete this; }
      void OnCancel() override {}
    };
    return new Reactor(context, &certificates);
  }

 public:
  // Of each caller; read it when the calls have ended.
  std::vector<std::optional<CertificateFacts>> certificates;
};

class TlsTest : public ::testing::Test {
 protected:
  void StartServer(const TlsFiles& tls, const std::string& listen = "127.0.0.1:0") {
    grpc::ServerBuilder builder;
    auto credentials = MakeServerCredentials(tls);
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    builder.AddListeningPort(listen, *credentials, &port_);
    ConfigureServer(builder);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    ASSERT_NE(port_, 0);
  }
  ~TlsTest() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  // What the server says, or why there was no answer; `patient`: it tries to connect for 90 s.
  grpc::Status Call(const TlsFiles& tls, const std::string& host, bool patient = false) {
    auto channel = Dial(FormatHostPort(host, port_), tls);
    if (!channel.ok()) return ToGrpc(channel.status());
    grpc::GenericStub stub(*channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(patient ? 90 : 20));
    context.set_wait_for_ready(patient);
    grpc::CompletionQueue queue;
    grpc::ByteBuffer request, response;
    auto call = stub.PrepareUnaryCall(&context, "/x/Y", request, &queue);
    call->StartCall();
    grpc::Status status;
    call->Finish(&response, &status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  }

  CertificateMaker ca_{"first"};
  WhoAmI service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TlsFiles Server(CertificateMaker& ca,
                std::vector<std::string> sans = {"DNS:localhost", "IP:127.0.0.1"}) {
  sans.push_back("URI:spiffe://test/portolan/coordinator");
  return ca.Issue("server", sans);
}

TEST_F(TlsTest, TheCallerIsKnownByItsSanUri) {
  StartServer(Server(ca_));
  grpc::Status s =
      Call(ca_.Issue("a1", {"URI:spiffe://test/portolan/agent/a1", "DNS:a1.example"}), "127.0.0.1");
  EXPECT_EQ(s.error_code(), grpc::StatusCode::ALREADY_EXISTS) << s.error_message();
  EXPECT_EQ(s.error_message(), fmt::format("{} a1", static_cast<int>(Role::kAgent)));
  s = Call(
      ca_.Issue("op", {"URI:https://unrelated.example/", "URI:spiffe://test/portolan/operator"}),
      "localhost");
  EXPECT_EQ(s.error_message(), fmt::format("{} ", static_cast<int>(Role::kOperator)));
  s = Call(ca_.Issue("other", {"DNS:other.example"}), "127.0.0.1");
  EXPECT_EQ(s.error_message(), fmt::format("{} ", static_cast<int>(Role::kNone)));
}

TEST_F(TlsTest, TheCallersCertificateIsKnown) {
  StartServer(Server(ca_));
  const TlsFiles client = ca_.Issue("a1", {"URI:spiffe://test/portolan/agent/a1"}, -60, 7200);
  Call(client, "127.0.0.1");
  server_->Shutdown();
  server_->Wait();
  ASSERT_EQ(service_.certificates.size(), 1u);
  ASSERT_TRUE(service_.certificates[0].has_value());
  std::ifstream file(client.cert);
  std::stringstream pem;
  pem << file.rdbuf();
  EXPECT_EQ(service_.certificates[0], ReadCertificateFacts(pem.str()));
  EXPECT_EQ(service_.certificates[0]->serial, "03")
      << "the authority's and the server's are before";
}

TEST(Certificate, FactsAreThoseOfTheFirstOne) {
  // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 3650
  //   -set_serial 0x7A31F00D00000000000000000000000000000001
  constexpr std::string_view kPem = R"(-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUejHwDQAAAAAAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMzAwNDIyMjlaFw0zNjExMjcwNDIyMjlaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ/meI5kME0fI69
Gn5rI/KpT+13gPjU+E7X2CWylShhWgvWvOgrQk9BCLWz91LQA9jMNfzsBrbrsFQm
rnffhZSEo1MwUTAdBgNVHQ4EFgQUZpj0MGl5996pctAmUuON2qprrKcwHwYDVR0j
BBgwFoAUZpj0MGl5996pctAmUuON2qprrKcwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiB15yerDfTGmpIMyW7zw6G7KKJvHfxdKzwWiIaJWIeKqgIh
ALQDKtZv48/Lb+ulH5fo9CTpbVms6spBa+Mu9mrEQZQC
-----END CERTIFICATE-----
)";
  const auto facts = ReadCertificateFacts(std::string(kPem) + "and more");
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->serial, "7A31F00D00000000000000000000000000000001");
  EXPECT_EQ(ToUnixMicros(facts->not_after), 2'111'372'549'000'000);
  EXPECT_EQ(facts->not_after - facts->not_before, std::chrono::hours(24 * 3650));
  EXPECT_EQ(ReadCertificateFacts(""), std::nullopt);
  EXPECT_EQ(ReadCertificateFacts("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            std::nullopt);
}

// The files are looked at every 30 s.
TEST_F(TlsTest, RenewedFilesAreReadWithoutARestart) {
  const TlsFiles server = Server(ca_);
  StartServer(server);
  TlsFiles client = ca_.Issue("op", {"URI:spiffe://test/portolan/operator"});
  ASSERT_EQ(Call(client, "127.0.0.1").error_code(), grpc::StatusCode::ALREADY_EXISTS);

  CertificateMaker successor("successor");
  const TlsFiles new_server = Server(successor);
  TlsFiles new_client = successor.Issue("op2", {"URI:spiffe://test/portolan/operator"});
  EXPECT_EQ(Call(new_client, "127.0.0.1").error_code(), grpc::StatusCode::UNAVAILABLE);
  // Each file appears whole, as whoever renews them must do it.
  std::filesystem::rename(new_server.key, server.key);
  std::filesystem::rename(new_server.cert, server.cert);
  std::filesystem::copy_file(new_server.ca, server.ca + ".new");
  std::filesystem::rename(server.ca + ".new", server.ca);
  const grpc::Status s = Call(new_client, "127.0.0.1", true);
  EXPECT_EQ(s.error_code(), grpc::StatusCode::ALREADY_EXISTS) << s.error_message();
  client.ca = new_client.ca;  // trusts the new server; the new server does not know it any more
  EXPECT_EQ(Call(client, "127.0.0.1").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ACoordinatorOfAnotherNameIsRefused) {
  StartServer(Server(ca_, {"DNS:elsewhere.example", "IP:127.0.0.9"}));
  EXPECT_EQ(
      Call(ca_.Issue("op", {"URI:spiffe://test/portolan/operator"}), "127.0.0.1").error_code(),
      grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ACallerOfAnotherAuthorityIsRefused) {
  StartServer(Server(ca_));
  CertificateMaker other("second");
  TlsFiles client = other.Issue("op", {"URI:spiffe://test/portolan/operator"});
  client.ca = ca_.ca_file();  // it trusts the server; the server does not trust it
  EXPECT_EQ(Call(client, "127.0.0.1").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ACoordinatorOfAnotherAuthorityIsRefused) {
  StartServer(Server(ca_));
  TlsFiles client = ca_.Issue("op", {"URI:spiffe://test/portolan/operator"});
  CertificateMaker other("second");
  client.ca = other.ca_file();
  EXPECT_EQ(Call(client, "127.0.0.1").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, PlainTextIsRefusedByATlsServer) {
  StartServer(Server(ca_));
  EXPECT_EQ(Call(TlsFiles{}, "127.0.0.1").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, WithoutTlsEverybodyIsAnyone) {
  StartServer(TlsFiles{});
  EXPECT_EQ(Call(TlsFiles{}, "127.0.0.1").error_message(),
            fmt::format("{} ", static_cast<int>(Role::kAnyone)));
}

TEST_F(TlsTest, FilesAreCheckedBeforeTheyAreUsed) {
  const auto message = [](const TlsFiles& files) {
    const absl::Status s = CheckTlsFiles(files);
    EXPECT_EQ(s.code(), absl::StatusCode::kInvalidArgument);
    return std::string(s.message());
  };
  const TlsFiles good = ca_.Issue("good", {"DNS:good.example"});
  const TlsFiles other = ca_.Issue("other", {"DNS:other.example"});
  EXPECT_TRUE(CheckTlsFiles(good).ok());
  EXPECT_TRUE(CheckTlsFiles(TlsFiles{}).ok());
  EXPECT_THAT(message({good.cert, "", good.ca}), ::testing::HasSubstr("--tls-key is missing"));
  EXPECT_THAT(message({good.cert, good.key, ""}), ::testing::HasSubstr("--tls-ca is missing"));
  EXPECT_THAT(message({good.cert, other.key, good.ca}), ::testing::HasSubstr("is not the key of"));
  EXPECT_THAT(message({"/nonexistent/cert.pem", good.key, good.ca}),
              ::testing::HasSubstr("/nonexistent/cert.pem"));
  EXPECT_THAT(message({good.key, good.key, good.ca}), ::testing::HasSubstr("no certificate"));
  EXPECT_THAT(message({good.cert, good.cert, good.ca}), ::testing::HasSubstr("no private key"));
  EXPECT_THAT(message({good.cert, good.key, good.key}), ::testing::HasSubstr("no certificate"));
  const TlsFiles expired = ca_.Issue("expired", {"DNS:e.example"}, -7200, -3600);
  EXPECT_THAT(message(expired), ::testing::HasSubstr("expired at"));
  const TlsFiles early = ca_.Issue("early", {"DNS:e.example"}, 3600, 7200);
  EXPECT_THAT(message(early), ::testing::HasSubstr("not valid before"));
}

TEST_F(TlsTest, AKeyWithAPassPhraseIsRefusedWithoutAsking) {
  TlsFiles files = ca_.Issue("locked", {"DNS:l.example"});
  ca_.EncryptKey(files.key);
  EXPECT_THAT(std::string(CheckTlsFiles(files).message()), ::testing::HasSubstr("pass phrase"));
}

}  // namespace
}  // namespace portolan
