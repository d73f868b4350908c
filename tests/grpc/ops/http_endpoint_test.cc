#include "common/ops/http_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <thread>

#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

class HttpEndpointTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    HttpEndpointOptions options;
    options.listen = FormatHostPort(GetParam(), 0);
    options.ready = [this] { return ready_ ? absl::OkStatus() : Unavailable("the store is full"); };
    auto endpoint = HttpEndpoint::Start(std::move(options), {ProcessMetrics("tester")});
    if (!endpoint.ok() && std::string(GetParam()) == "::1") GTEST_SKIP() << "no IPv6 here";
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = std::move(*endpoint);
    client_ = std::make_unique<httplib::Client>(GetParam(), endpoint_->port());
  }
  std::atomic<bool> ready_{true};
  std::unique_ptr<HttpEndpoint> endpoint_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_P(HttpEndpointTest, ServesMetrics) {
  auto r = client_->Get("/metrics");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->status, 200);
  EXPECT_EQ(r->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* name :
       {"portolan_build_info{program=\"tester\",version=\"", "process_cpu_seconds_total",
        "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_threads",
        "process_start_time_seconds"}) {
    EXPECT_THAT(r->body, HasSubstr(name));
  }
  auto head = client_->Head("/metrics");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->body, "");
}

TEST_P(HttpEndpointTest, ReadinessSaysWhyNot) {
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  EXPECT_EQ(client_->Get("/livez")->status, 200);
  ready_ = false;
  auto r = client_->Get("/readyz");
  EXPECT_EQ(r->status, 503);
  EXPECT_EQ(r->body, "the store is full\n");
  EXPECT_EQ(client_->Get("/livez")->status, 200);
}

TEST_P(HttpEndpointTest, UnknownPathsAndMethodsAreRefused) {
  EXPECT_EQ(client_->Get("/nothing")->status, 404);
  EXPECT_NE(client_->Post("/metrics", "x", "text/plain")->status, 200);
}

TEST_P(HttpEndpointTest, ManyClientsAtOnceAreAllServed) {
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&] {
      httplib::Client client(GetParam(), endpoint_->port());
      for (int i = 0; i < 5; ++i) {
        auto r = client.Get("/livez");
        if (r && r->status == 200) ++served;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(served, 100);
}

INSTANTIATE_TEST_SUITE_P(Families, HttpEndpointTest, ::testing::Values("127.0.0.1", "::1"));

HttpEndpointOptions At(const std::string& address) {
  HttpEndpointOptions options;
  options.listen = address;
  return options;
}

TEST(HttpEndpoint, AnAddressInUseIsNamed) {
  auto first = HttpEndpoint::Start(At("127.0.0.1:0"), {});
  ASSERT_TRUE(first.ok());
  const std::string address = FormatHostPort("127.0.0.1", (*first)->port());
  auto second = HttpEndpoint::Start(At(address), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace portolan
