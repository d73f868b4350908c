#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/rpc/channel.h"
#include "common/rpc/identity.h"

namespace portolan {

// A GET (or HEAD) of one of the routes. Everything in it is what a stranger sent.
struct HttpRequest {
  std::string path;                // decoded
  std::vector<std::string> parts;  // of the path, what stood for each "*" of the pattern
  std::string host;                // the header, without a port; an IPv6 address without brackets
  std::multimap<std::string, std::string> query;  // decoded; bounded, see HttpRoute
  bool tls = false;
  PeerIdentity peer;  // over TLS, of a certificate that was verified; else kNone
  // The last of that name; "" when there is none.
  std::string Value(const std::string& name) const;
  std::vector<std::string> Values(const std::string& name) const;
};
struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};
// What answers one path. The handler is called on a thread of the endpoint's and answers by `done`,
// once, at any time and on any thread; what comes after the timeout, or after the endpoint is gone,
// is dropped. Later calls of `done` do nothing.
struct HttpRoute {
  static constexpr size_t kMaxParameters = 64, kMaxParameterBytes = 2048;  // else 400
  // Segments of text or "*", which stands for one that is not empty: "/api/v1/scans/*/results".
  std::string pattern;
  std::function<void(HttpRequest, std::function<void(HttpReply)> done)> handler;
};

// Serves /metrics (Prometheus text 0.0.4), /livez, /readyz and routes on threads of its own, of
// which routes never take all. IPv4 and IPv6; HEAD works.
struct HttpEndpointOptions {
  std::string listen;                   // HOST:PORT; port 0: any free one
  std::function<absl::Status()> ready;  // /readyz: 200 "ok", or 503 and the message
  std::function<absl::Status()> live;   // /livez
  // Beside these paths; everything below "/api/" belongs to them.
  std::vector<HttpRoute> routes;
  // Before a route's handler, and where there is none: an error is answered in its place.
  std::function<absl::Status(const HttpRequest&)> guard;
  // Serves https with these. A client need not show a certificate, which the guard may ask for.
  TlsFiles tls;
  Duration route_timeout = std::chrono::seconds(20);  // then 504
};
// {"error":{"code":"not_found","message":"..."}} with the status that HTTP has for it.
HttpReply ErrorReply(const absl::Status& status);

class HttpEndpoint {
 public:
  // Unavailable: the address cannot be bound (names it and the error). InvalidArgument: the TLS
  // files.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      HttpEndpointOptions options, std::vector<std::shared_ptr<prometheus::Collectable>> metrics);
  virtual ~HttpEndpoint() = default;  // stops and joins
  virtual int port() const = 0;
};

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds,
// process_start_time_seconds, process_threads and portolan_build_info{program,version}.
std::shared_ptr<prometheus::Collectable> ProcessMetrics(const std::string& program);

}  // namespace portolan
