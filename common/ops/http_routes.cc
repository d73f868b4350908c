#include "common/ops/http_routes.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/base/clock.h"
#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    out.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

absl::Status CheckQuery(const HttpRequest& request) {
  if (request.query.size() > HttpRoute::kMaxParameters) {
    return InvalidArgument("{} parameters: at most {} are allowed", request.query.size(),
                           HttpRoute::kMaxParameters);
  }
  for (const auto& [name, value] : request.query) {
    if (name.size() + value.size() > HttpRoute::kMaxParameterBytes) {
      return InvalidArgument("parameter \"{}\": {} bytes; at most {} are allowed",
                             name.substr(0, 40), value.size(), HttpRoute::kMaxParameterBytes);
    }
  }
  return absl::OkStatus();
}

struct Code {
  int status;
  const char* name;
};
Code CodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return {400, "invalid_argument"};
    case absl::StatusCode::kOutOfRange:
      return {400, "out_of_range"};
    case absl::StatusCode::kFailedPrecondition:
      return {400, "failed_precondition"};
    case absl::StatusCode::kUnauthenticated:
      return {401, "unauthenticated"};
    case absl::StatusCode::kPermissionDenied:
      return {403, "permission_denied"};
    case absl::StatusCode::kNotFound:
      return {404, "not_found"};
    case absl::StatusCode::kAlreadyExists:
      return {409, "already_exists"};
    case absl::StatusCode::kAborted:
      return {409, "aborted"};
    case absl::StatusCode::kResourceExhausted:
      return {503, "resource_exhausted"};
    case absl::StatusCode::kUnavailable:
      return {503, "unavailable"};
    case absl::StatusCode::kCancelled:
      return {503, "cancelled"};
    case absl::StatusCode::kUnimplemented:
      return {501, "unimplemented"};
    case absl::StatusCode::kDeadlineExceeded:
      return {504, "deadline_exceeded"};
    case absl::StatusCode::kDataLoss:
      return {500, "data_loss"};
    default:
      return {500, "internal"};
  }
}

}  // namespace

std::string HttpRequest::Value(const std::string& name) const {
  const std::vector<std::string> all = Values(name);
  return all.empty() ? "" : all.back();
}

std::vector<std::string> HttpRequest::Values(const std::string& name) const {
  std::vector<std::string> out;
  const auto [begin, end] = query.equal_range(name);
  for (auto it = begin; it != end; ++it) out.push_back(it->second);
  return out;
}

HttpReply ErrorReply(const absl::Status& status) {
  using Json = nlohmann::ordered_json;
  const Code code = CodeOf(status.code());
  Json error;
  error["code"] = code.name;
  error["message"] = std::string(Message(status));
  Json body;
  body["error"] = std::move(error);
  HttpReply reply;
  reply.status = code.status;
  reply.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return reply;
}

std::string HostOf(const std::string& header) {
  if (!header.empty() && header[0] == '[') {
    const size_t end = header.find(']');
    return end == std::string::npos ? header : header.substr(1, end - 1);
  }
  return header.substr(0, header.find(':'));
}

HttpRoutes::HttpRoutes(const std::vector<HttpRoute>& routes,
                       std::function<absl::Status(const HttpRequest&)> guard, Duration timeout,
                       int max_calls)
    : guard_(std::move(guard)), timeout_(timeout), max_calls_(max_calls) {
  for (const HttpRoute& r : routes) routes_.push_back({Segments(r.pattern), r.handler});
}

HttpReply HttpRoutes::Serve(HttpRequest request) {
  if (const absl::Status s = CheckQuery(request); !s.ok()) return ErrorReply(s);
  if (guard_) {
    if (const absl::Status s = guard_(request); !s.ok()) return ErrorReply(s);
  }
  const std::vector<std::string> path = Segments(request.path);
  for (const Route& route : routes_) {
    if (route.segments.size() != path.size()) continue;
    std::vector<std::string> parts;
    bool same = true;
    for (size_t i = 0; i < path.size() && same; ++i) {
      const bool any = route.segments[i] == "*";
      same = any ? !path[i].empty() : route.segments[i] == path[i];
      if (any) parts.push_back(path[i]);
    }
    if (!same) continue;
    request.parts = std::move(parts);
    return Ask(route, std::move(request));
  }
  return ErrorReply(
      NotFound("{}: no such path; GET / lists what there is", request.path.substr(0, 200)));
}

HttpReply HttpRoutes::Ask(const Route& route, HttpRequest request) {
  State& state = *state_;
  {
    MutexLock lock(state.mu);
    if (state.stopping) return ErrorReply(Unavailable("the coordinator stops"));
    if (state.calls >= max_calls_) {
      return ErrorReply(ResourceExhausted("{} being answered: try again later",
                                          Counted(state.calls, "request is", "requests are")));
    }
    ++state.calls;
  }
  auto call = std::make_shared<Call>();
  route.handler(std::move(request), [shared = state_, call](HttpReply reply) {
    MutexLock lock(shared->mu);
    if (!call->reply.has_value()) call->reply = std::move(reply);
    shared->answered.NotifyAll();
  });
  const Time until = SystemClock().Now() + timeout_;
  MutexLock lock(state.mu);
  while (!call->reply.has_value() && !state.stopping) {
    const Duration left = until - SystemClock().Now();
    if (left <= Duration::zero()) break;
    state.answered.WaitFor(state.mu, left);
  }
  --state.calls;
  if (call->reply.has_value()) return *std::move(call->reply);
  if (state.stopping) return ErrorReply(Unavailable("the coordinator stops"));
  return ErrorReply(
      DeadlineExceeded("no answer within {} s: ask for less, or later", ToSeconds(timeout_)));
}

void HttpRoutes::Stop() {
  MutexLock lock(state_->mu);
  state_->stopping = true;
  state_->answered.NotifyAll();
}

}  // namespace portolan
