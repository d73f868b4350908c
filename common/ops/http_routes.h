#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/mutex.h"
#include "common/ops/http_endpoint.h"

namespace portolan {

// Finds the route of a request, asks it, and waits for the answer. Thread-safe. Knows nothing of
// sockets: the endpoint's border to whoever answers.
class HttpRoutes {
 public:
  // `max_calls` at once; further ones are answered with 503.
  HttpRoutes(const std::vector<HttpRoute>& routes,
             std::function<absl::Status(const HttpRequest&)> guard, Duration timeout,
             int max_calls);

  // Blocks until there is an answer, the timeout, or Stop. The request needs path, host and query.
  HttpReply Serve(HttpRequest request);
  // What waits is answered with 503, and what comes from now on.
  void Stop();

 private:
  struct Route {
    std::vector<std::string> segments;
    decltype(HttpRoute::handler) handler;
  };
  // Outlives this object for answers that come late.
  struct State {
    Mutex mu;
    CondVar answered;
    bool stopping GUARDED_BY(mu) = false;
    int calls GUARDED_BY(mu) = 0;
  };
  struct Call {
    std::optional<HttpReply> reply;  // guarded by the state's mu
  };
  HttpReply Ask(const Route& route, HttpRequest request);

  std::vector<Route> routes_;
  const std::function<absl::Status(const HttpRequest&)> guard_;
  const Duration timeout_;
  const int max_calls_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// "[::1]:80" -> "::1", "localhost:80" -> "localhost"
std::string HostOf(const std::string& header);

}  // namespace portolan
