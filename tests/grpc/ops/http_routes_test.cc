#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/base/status.h"
#include "common/ops/http_endpoint.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

using Done = std::function<void(HttpReply)>;

HttpReply Body(std::string text) {
  HttpReply r;
  r.body = std::move(text);
  return r;
}

// Answers that are held back until the test lets them go.
class Held {
 public:
  void Add(Done done) {
    std::lock_guard lock(mu_);
    waiting_.push_back(std::move(done));
    changed_.notify_all();
  }
  void WaitFor(size_t n) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return waiting_.size() >= n; });
  }
  std::vector<Done> Take() {
    std::lock_guard lock(mu_);
    return std::move(waiting_);
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<Done> waiting_;
};

class HttpRoutesTest : public ::testing::Test {
 protected:
  HttpRoutesTest() {
    options_.listen = "127.0.0.1:0";
    options_.routes = {
        {"/api/v1/echo", [](HttpRequest r, Done done) { done(Body(r.Value("text"))); }},
        {"/api/v1/things/*/parts",
         [](HttpRequest r, Done done) {
           std::string all = r.parts.at(0) + ":";
           for (const std::string& v : r.Values("x")) all += v + ",";
           done(Body(all + r.host));
         }},
        {"/api/v1/held", [this](HttpRequest, Done done) { held_.Add(std::move(done)); }},
        {"/api/v1/twice", [](HttpRequest, Done done) {
           done(Body("first"));
           done(Body("second"));
         }}};
  }
  void Start() {
    auto endpoint = HttpEndpoint::Start(options_, {});
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = std::move(*endpoint);
  }
  httplib::Result Get(const std::string& path) {
    httplib::Client client("127.0.0.1", endpoint_->port());
    client.set_read_timeout(30, 0);
    return client.Get(path);
  }
  Held held_;
  HttpEndpointOptions options_;
  std::unique_ptr<HttpEndpoint> endpoint_;
};

TEST_F(HttpRoutesTest, PathsAndParametersReachTheHandler) {
  Start();
  EXPECT_EQ(Get("/api/v1/echo?text=a%20b%26%C3%BC")->body, "a b&\xC3\xBC");
  auto r = Get("/api/v1/things/web-1/parts?x=1&y=9&x=2");
  EXPECT_EQ(r->body, "web-1:1,2,127.0.0.1");
  EXPECT_EQ(r->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(r->get_header_value("Cache-Control"), "no-store");
  EXPECT_EQ(r->get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(Get("/api/v1/twice")->body, "first");
  EXPECT_EQ(Get("/livez")->status, 200);
  EXPECT_THAT(Get("/")->body, HasSubstr("/api/v1/things/*/parts"));
}

TEST_F(HttpRoutesTest, HeadHasNoBody) {
  Start();
  httplib::Client client("127.0.0.1", endpoint_->port());
  auto r = client.Head("/api/v1/echo?text=abc");
  EXPECT_EQ(r->status, 200);
  EXPECT_EQ(r->body, "");
}

TEST_F(HttpRoutesTest, WhatIsNotThereIsAnErrorInJson) {
  Start();
  for (const char* path : {"/api/v1/nothing", "/api/v1/things//parts", "/api/v1/things/a/b/parts",
                           "/api/v1/echo/", "/api/", "/api/v1/things/a%2Fb/parts"}) {
    auto r = Get(path);
    EXPECT_EQ(r->status, 404) << path;
    EXPECT_THAT(r->body, HasSubstr("{\"error\":{\"code\":\"not_found\",\"message\":\"")) << path;
  }
}

TEST_F(HttpRoutesTest, OnlyReadsAreServed) {
  Start();
  httplib::Client client("127.0.0.1", endpoint_->port());
  for (const httplib::Result& r :
       {client.Post("/api/v1/echo", "x", "text/plain"), client.Put("/api/v1/echo", "x", "a/b"),
        client.Delete("/api/v1/echo"), client.Patch("/api/v1/echo", "x", "a/b"),
        client.Options("/api/v1/echo")}) {
    EXPECT_EQ(r->status, 405);
    EXPECT_EQ(r->get_header_value("Allow"), "GET, HEAD");
    EXPECT_THAT(r->body, HasSubstr("\"error\""));
  }
}

TEST_F(HttpRoutesTest, TooMuchOfAQueryIsRefused) {
  Start();
  EXPECT_EQ(Get("/api/v1/echo?text=" + std::string(2'000, 'a'))->status, 200);
  EXPECT_EQ(Get("/api/v1/echo?text=" + std::string(3'000, 'a'))->status, 400);
  std::string many = "/api/v1/echo?";
  for (int i = 0; i < 100; ++i) many += "a" + std::to_string(i) + "=1&";
  EXPECT_EQ(Get(many)->status, 400);
  EXPECT_GE(Get("/api/v1/echo?text=" + std::string(20'000, 'a'))->status, 400);
}

TEST_F(HttpRoutesTest, TheGuardComesFirst) {
  options_.guard = [](const HttpRequest& r) {
    return r.Value("key") == "1" ? absl::OkStatus() : PermissionDenied("no \xff key");
  };
  Start();
  EXPECT_EQ(Get("/api/v1/echo?key=1&text=a")->body, "a");
  for (const char* path : {"/api/v1/echo?text=a", "/api/v1/nothing"}) {
    auto r = Get(path);
    EXPECT_EQ(r->status, 403);
    EXPECT_THAT(r->body, HasSubstr("permission_denied"));
    EXPECT_EQ(r->body.find('\xff'), std::string::npos);
  }
  EXPECT_EQ(Get("/metrics")->status, 200) << "is no route";
}

TEST_F(HttpRoutesTest, AnAnswerThatComesLaterIsWaitedFor) {
  Start();
  std::string body;
  std::thread client([&] { body = Get("/api/v1/held")->body; });
  held_.WaitFor(1);
  for (Done& done : held_.Take()) done(Body("late"));
  client.join();
  EXPECT_EQ(body, "late");
}

TEST_F(HttpRoutesTest, AnAnswerThatDoesNotComeIsGivenUp) {
  options_.route_timeout = std::chrono::milliseconds(20);
  Start();
  EXPECT_EQ(Get("/api/v1/held")->status, 504);
  for (Done& done : held_.Take()) done(Body("too late"));  // harmless
  EXPECT_EQ(Get("/api/v1/echo?text=a")->body, "a");
}

TEST_F(HttpRoutesTest, RoutesDoNotTakeAllThreads) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> served{0}, refused{0};
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] { served += Get("/api/v1/held")->status == 200; });
  }
  held_.WaitFor(4);
  EXPECT_EQ(Get("/api/v1/held")->status, 503);
  EXPECT_EQ(Get("/livez")->status, 200);
  EXPECT_EQ(Get("/metrics")->status, 200);
  for (Done& done : held_.Take()) done(Body("x"));
  for (std::thread& t : clients) t.join();
  EXPECT_EQ(served, 4);
  EXPECT_EQ(Get("/api/v1/echo?text=a")->status, 200);
}

TEST_F(HttpRoutesTest, StoppingEndsWhatWaits) {
  options_.route_timeout = std::chrono::hours(1);
  Start();
  std::atomic<int> status{0};
  std::thread client([&] { status = Get("/api/v1/held")->status; });
  held_.WaitFor(1);
  endpoint_.reset();
  client.join();
  EXPECT_EQ(status, 503);
  for (Done& done : held_.Take()) done(Body("after the end"));  // harmless
}

TEST(HttpErrors, EachCodeHasItsStatus) {
  EXPECT_EQ(ErrorReply(InvalidArgument("x")).status, 400);
  EXPECT_EQ(ErrorReply(NotFound("x")).status, 404);
  EXPECT_EQ(ErrorReply(ResourceExhausted("x")).status, 503);
  EXPECT_EQ(ErrorReply(Unavailable("x")).status, 503);
  EXPECT_EQ(ErrorReply(DeadlineExceeded("x")).status, 504);
  EXPECT_EQ(ErrorReply(Internal("x")).status, 500);
  EXPECT_EQ(ErrorReply(NotFound("a \"b\"\n")).body,
            "{\"error\":{\"code\":\"not_found\",\"message\":\"a \\\"b\\\"\\n\"}}\n");
}

}  // namespace
}  // namespace portolan
