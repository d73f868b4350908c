#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace portolan {

// Serves /metrics (Prometheus text 0.0.4), /livez and /readyz on threads of its own. IPv4 and IPv6;
// HEAD works.
struct HttpEndpointOptions {
  std::string listen;                   // HOST:PORT; port 0: any free one
  std::function<absl::Status()> ready;  // /readyz: 200 "ok", or 503 and the message
  std::function<absl::Status()> live;   // /livez
};
class HttpEndpoint {
 public:
  // Unavailable: the address cannot be bound (names it and the error).
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      HttpEndpointOptions options, std::vector<std::shared_ptr<prometheus::Collectable>> metrics);
  virtual ~HttpEndpoint() = default;  // stops and joins
  virtual int port() const = 0;
};

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds,
// process_start_time_seconds, process_threads and portolan_build_info{program,version}.
std::shared_ptr<prometheus::Collectable> ProcessMetrics(const std::string& program);

}  // namespace portolan
