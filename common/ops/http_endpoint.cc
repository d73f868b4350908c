#include "common/ops/http_endpoint.h"

#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/ops/http_routes.h"
#include "common/ops/http_tls.h"
#include "common/ops/metric_text.h"
#include "common/rpc/channel.h"

namespace portolan {
namespace {

constexpr int kThreads = 8;
constexpr int kMaxRouteCalls = 4;  // at once; the other threads are for probes and Prometheus
constexpr size_t kMaxWaiting = 64;

// Threads and a queue that are both bounded: when all is taken the thread that accepts connections
// waits, and the kernel's backlog fills.
class BoundedQueue final : public httplib::TaskQueue {
 public:
  BoundedQueue() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Loop(); });
  }
  void enqueue(std::function<void()> fn) override {
    MutexLock lock(mu_);
    while (queue_.size() >= kMaxWaiting && !stopping_) room_.Wait(mu_);
    // also when stopping: the closure must run, it closes its socket
    queue_.push_back(std::move(fn));
    wake_.NotifyOne();
  }
  void shutdown() override {
    {
      MutexLock lock(mu_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    room_.NotifyAll();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

 private:
  void Loop() {
    while (true) {
      std::function<void()> fn;
      {
        MutexLock lock(mu_);
        while (queue_.empty() && !stopping_) wake_.Wait(mu_);
        if (queue_.empty()) return;
        fn = std::move(queue_.front());
        queue_.pop_front();
      }
      room_.NotifyOne();
      fn();
    }
  }

  Mutex mu_;
  CondVar wake_, room_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

void Answer(const std::function<absl::Status()>& check, httplib::Response& response) {
  const absl::Status status = check ? check() : absl::OkStatus();
  response.status = status.ok() ? 200 : 503;
  response.set_content(status.ok() ? "ok\n" : std::string(Message(status)) + "\n",
                       "text/plain; charset=utf-8");
}

class Endpoint final : public HttpEndpoint {
 public:
  Endpoint(HttpEndpointOptions options,
           std::vector<std::shared_ptr<prometheus::Collectable>> metrics,
           std::unique_ptr<HttpTls> tls)
      : options_(std::move(options)),
        tls_(std::move(tls)),
        metrics_(std::move(metrics)),
        routes_(options_.routes, options_.guard, options_.route_timeout, kMaxRouteCalls),
        made_(tls_ == nullptr ? std::make_unique<httplib::Server>()
                              : std::make_unique<httplib::SSLServer>([this](SSL_CTX& context) {
                                  tls_->SetUp(context);
                                  return true;
                                })),
        server_(*made_) {
    server_.new_task_queue = [] { return new BoundedQueue; };
    // A connection keeps its thread while it is open: short limits, so that idle or slow ones
    // cannot take all of them for long.
    server_.set_read_timeout(5, 0);
    server_.set_write_timeout(10, 0);
    server_.set_keep_alive_timeout(2);
    server_.set_keep_alive_max_count(100);
    server_.set_payload_max_length(4096);
    // The library sets SO_REUSEPORT by default, which would let two programs share a port
    // unnoticed.
    server_.set_socket_options([](socket_t fd) {
      const int yes = 1;
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    // Reads need no body; so the others are refused here and their bodies are read below.
    server_.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          const bool read = request.method == "GET" || request.method == "HEAD";
          if (!read || request.path.rfind("/api/", 0) != 0)
            return httplib::Server::HandlerResponse::Unhandled;
          HttpRequest r;
          r.path = request.path;
          r.host = HostOf(request.get_header_value("Host"));
          r.query.insert(request.params.begin(), request.params.end());
          r.tls = tls_ != nullptr;
          r.peer = HttpTls::PeerOf(request.ssl);
          const HttpReply reply = routes_.Serve(std::move(r));
          response.status = reply.status;
          response.set_header("Cache-Control", "no-store");
          response.set_header("X-Content-Type-Options", "nosniff");
          response.set_content(reply.body, reply.content_type);
          return httplib::Server::HandlerResponse::Handled;
        });
    const httplib::Server::Handler read_only = [](const httplib::Request&,
                                                  httplib::Response& response) {
      response.status = 405;
      response.set_header("Allow", "GET, HEAD");
      response.set_content(
          ErrorReply(Unimplemented("there is nothing to change here: use GET")).body,
          "application/json");
    };
    server_.Post("/api/.*", read_only);
    server_.Put("/api/.*", read_only);
    server_.Patch("/api/.*", read_only);
    server_.Delete("/api/.*", read_only);
    server_.Options("/api/.*", read_only);
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      std::vector<prometheus::MetricFamily> families;
      for (const auto& source : metrics_) {
        std::vector<prometheus::MetricFamily> more = source->Collect();
        std::move(more.begin(), more.end(), std::back_inserter(families));
      }
      response.set_content(MetricText(families), "text/plain; version=0.0.4; charset=utf-8");
    });
    server_.Get("/livez", [this](const httplib::Request&, httplib::Response& r) {
      Answer(options_.live, r);
    });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& r) {
      Answer(options_.ready, r);
    });
    server_.Get("/", [this](const httplib::Request&, httplib::Response& r) {
      std::string text =
          "/metrics  for Prometheus\n/livez    is the process alive\n/readyz   is it ready for "
          "work\n";
      for (const HttpRoute& route : options_.routes) text += route.pattern + "\n";
      r.set_content(text, "text/plain; charset=utf-8");
    });
    server_.set_exception_handler(
        [](const httplib::Request&, httplib::Response& r, std::exception_ptr) { r.status = 500; });
  }

  ~Endpoint() override {
    if (!thread_.joinable()) return;
    routes_.Stop();
    server_.stop();
    thread_.join();
  }

  absl::Status Listen() {
    PORTOLAN_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(options_.listen));
    errno = 0;
    if (address.port == 0) {
      port_ = server_.bind_to_any_port(address.host);
    } else {
      port_ = server_.bind_to_port(address.host, address.port) ? address.port : -1;
    }
    if (port_ <= 0) {
      return Unavailable("--http {}: cannot listen: {}; give another address or port",
                         options_.listen,
                         errno != 0 ? std::strerror(errno) : "the address is not of this machine");
    }
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    // stop() does nothing before the loop runs.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  const HttpEndpointOptions options_;
  const std::unique_ptr<HttpTls> tls_;  // null: plain
  const std::vector<std::shared_ptr<prometheus::Collectable>> metrics_;
  HttpRoutes routes_;
  const std::unique_ptr<httplib::Server> made_;
  httplib::Server& server_;
  int port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    HttpEndpointOptions options, std::vector<std::shared_ptr<prometheus::Collectable>> metrics) {
  std::unique_ptr<HttpTls> tls;
  if (options.tls.enabled()) {
    PORTOLAN_ASSIGN_OR_RETURN(tls, HttpTls::Load(options.tls, SystemClock()));
  }
  auto endpoint =
      std::make_unique<Endpoint>(std::move(options), std::move(metrics), std::move(tls));
  PORTOLAN_RETURN_IF_ERROR(endpoint->Listen());
  return std::unique_ptr<HttpEndpoint>(std::move(endpoint));
}

}  // namespace portolan
