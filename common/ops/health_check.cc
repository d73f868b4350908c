#include "common/ops/health_check.h"

#include <httplib.h>

#include <cstdio>

#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace portolan {

namespace {

httplib::Result Ask(httplib::ClientImpl& client) {
  client.set_connection_timeout(5);
  client.set_read_timeout(5);
  return client.Get("/livez");
}

}  // namespace

int CheckHealth(const std::string& program, const std::string& http, bool tls) {
  absl::StatusOr<HostPort> address =
      http.empty() || http == "none"
          ? InvalidArgument("none given; name the address that the running one serves")
          : ParseHostPort(http);
  if (address.ok() && address->port == 0)
    address = InvalidArgument("{}: name the port that the running one serves", http);
  if (!address.ok()) {
    fmt::print(stderr, "{}: --health-check: --http: {}\n", program, Message(address.status()));
    return 2;
  }
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  httplib::ClientImpl plain(address->host, address->port);
  httplib::SSLClient secure(address->host, address->port);
  secure.enable_server_certificate_verification(false);
  const httplib::Result result = Ask(tls ? secure : plain);
  if (!result) {
    fmt::print(stderr, "{}: {}: {}\n", program, http, httplib::to_string(result.error()));
    return 1;
  }
  fmt::print("{}", result->body);
  return result->status == 200 ? 0 : 1;
}

}  // namespace portolan
