#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ops/http_endpoint.h"

namespace portolan {

class Control;
class Monitoring;

// The read-only HTTP API below /api/v1/ (docs/http-api.md). Borrows both, which must outlive the
// endpoint that serves the routes; without a monitoring its paths answer 404.
std::vector<HttpRoute> JsonApi(Control& control, Monitoring* monitoring);

// Whether the API is served at all: it tells what is open in the network to whoever asks. As with
// gRPC: over TLS an operator's certificate may; without, whoever can reach loopback. `loopback`:
// the endpoint listens there. Without TLS the request's Host must be of loopback too: a page in a
// browser of this machine could name a host of its own that resolves to 127.0.0.1, and read what is
// answered. PermissionDenied says the remedy.
absl::Status MayReadApi(bool loopback, const std::string& listen, const HttpRequest& request);

}  // namespace portolan
