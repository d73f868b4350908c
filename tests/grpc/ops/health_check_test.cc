#include "common/ops/health_check.h"

#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/ops/http_endpoint.h"

namespace portolan {
namespace {

TEST(HealthCheck, SaysWhatLivezSays) {
  bool well = true;
  HttpEndpointOptions options;
  options.listen = "127.0.0.1:0";
  options.live = [&]() -> absl::Status {
    if (well) return absl::OkStatus();
    return Unavailable("stuck");
  };
  auto endpoint = HttpEndpoint::Start(options, {});
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string port = std::to_string((*endpoint)->port());
  EXPECT_EQ(CheckHealth("program", "127.0.0.1:" + port), 0);
  EXPECT_EQ(CheckHealth("program", "0.0.0.0:" + port), 0) << "all addresses: loopback is asked";
  well = false;
  EXPECT_EQ(CheckHealth("program", "127.0.0.1:" + port), 1);
  endpoint->reset();
  EXPECT_EQ(CheckHealth("program", "127.0.0.1:" + port), 1) << "nobody answers";
}

TEST(HealthCheck, AllAddressesOfIpv6AreAskedOnLoopback) {
  HttpEndpointOptions options;
  options.listen = "[::]:0";
  auto endpoint = HttpEndpoint::Start(options, {});
  if (!endpoint.ok()) GTEST_SKIP() << "no IPv6 here: " << endpoint.status();
  EXPECT_EQ(CheckHealth("program", "[::]:" + std::to_string((*endpoint)->port())), 0);
}

TEST(HealthCheck, WithoutAnAddressItIsWrongUsage) {
  EXPECT_EQ(CheckHealth("program", ""), 2);
  EXPECT_EQ(CheckHealth("program", "none"), 2);
  EXPECT_EQ(CheckHealth("program", "127.0.0.1"), 2);
  EXPECT_EQ(CheckHealth("program", "127.0.0.1:0"), 2);
}

}  // namespace
}  // namespace portolan
