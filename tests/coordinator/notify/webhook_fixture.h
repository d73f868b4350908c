#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "coordinator/notify/outbox.h"
#include "coordinator/notify/webhook_sender.h"
#include "tests/coordinator/notify/sample_notification.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

// Things that happened, for a test that waits for them.
template <typename T>
class EventLog {
 public:
  void Add(T event) {
    MutexLock lock(mu_);
    events_.push_back(std::move(event));
    cv_.NotifyAll();
  }
  // Those that there are once there are `n`; fewer when that takes a minute.
  std::vector<T> WaitFor(size_t n) {
    MutexLock lock(mu_);
    while (events_.size() < n) {
      if (!cv_.WaitFor(mu_, std::chrono::minutes(1))) break;
    }
    EXPECT_GE(events_.size(), n);
    return events_;
  }
  size_t size() {
    MutexLock lock(mu_);
    return events_.size();
  }

 private:
  Mutex mu_;
  CondVar cv_;
  std::vector<T> events_ GUARDED_BY(mu_);
};

// A real HTTP receiver on loopback, that can go down and come back at its port.
class HttpReceiver {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;
  HttpReceiver() = default;
  ~HttpReceiver() { Down(); }

  // By default 200. Set while it is down.
  void Answer(Handler handler) { handler_ = std::move(handler); }
  void Up() {
    server_ = std::make_unique<httplib::Server>();
    server_->set_keep_alive_timeout(1);  // what it takes to go down
    server_->Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      if (handler_) handler_(request, response);
      requests.Add(request);
    });
    if (port_ == 0) {
      port_ = server_->bind_to_any_port("127.0.0.1");
    } else {
      ASSERT_TRUE(server_->bind_to_port("127.0.0.1", port_));
    }
    thread_ = std::thread([s = server_.get()] { s->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  void Down() {
    if (server_ == nullptr) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  int port() const { return port_; }
  std::vector<std::string> WaitForIds(size_t n) {
    std::vector<std::string> ids;
    for (const auto& r : requests.WaitFor(n))
      ids.push_back(r.get_header_value("X-Portolan-Delivery"));
    return ids;
  }

  EventLog<httplib::Request> requests;  // answered ones

 private:
  Handler handler_;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
  int port_ = 0;
};

class WebhookTest : public testing::Test {
 protected:
  WebhookTest() {
    db_ = Connection::Open(path(), {.sync_full = false}).value();
    EXPECT_TRUE(Outbox::CreateTables(*db_).ok());
  }
  ~WebhookTest() override { sender_.reset(); }

  std::string path() const { return dir_.path() + "/notify.db"; }
  static WebhookReceiver To(const std::string& name, int port) {
    WebhookReceiver r;
    r.name = name;
    r.url = WebhookUrl::Parse("http://127.0.0.1:" + std::to_string(port) + "/hook?x=1").value();
    return r;
  }
  void Configure(std::vector<WebhookReceiver> receivers) {
    sender_.reset();
    outbox_ =
        std::make_unique<Outbox>(WebhookConfig{"", std::move(receivers)}, OutboxLimits{}, clock_);
  }
  void Start() {
    WebhookSender::Options options;
    options.database = path();
    options.seed = 7;
    options.checkpoint = true;
    options.on_attempt = [this](const WebhookAttempt& a) { attempts_.Add(a); };
    auto sender = WebhookSender::Start(*outbox_, options);
    ASSERT_TRUE(sender.ok()) << sender.status();
    sender_ = *std::move(sender);
  }
  void Put(const std::string& id) {
    Notification n = SampleNotification();
    n.id = id;
    const auto count = outbox_->Enqueue(*db_, n);
    ASSERT_TRUE(count.ok()) << count.status();
    if (sender_) sender_->Wake();
  }
  std::vector<std::string> PutMany(const std::string& prefix, int n) {
    std::vector<std::string> ids;
    for (int i = 0; i < n; ++i) {
      ids.push_back(prefix + std::to_string(i));
      Put(ids.back());
    }
    return ids;
  }
  void Advance(Duration d) {
    clock_.Advance(d);
    sender_->Wake();
  }
  // Lets back-off pass until `n` attempts were made.
  std::vector<WebhookAttempt> AdvanceUntilAttempts(size_t n) {
    while (attempts_.size() < n) {
      const size_t before = attempts_.size();
      Advance(kMaxBackoff);
      attempts_.WaitFor(before + 1);
      if (testing::Test::HasFailure()) break;
    }
    return attempts_.WaitFor(n);
  }
  WebhookReceiverStats StatsOf(size_t receiver = 0) {
    return sender_->Stats().value().receivers[receiver];
  }

  TempDirectory dir_;
  FakeClock clock_;
  EventLog<WebhookAttempt> attempts_;
  std::unique_ptr<Connection> db_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<WebhookSender> sender_;
};

}  // namespace portolan
