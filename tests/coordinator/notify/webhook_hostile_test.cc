// Receivers that answer what no receiver should.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "tests/coordinator/notify/webhook_fixture.h"

namespace portolan {
namespace {

using testing::HasSubstr;

// Takes one connection after the other, reads what comes first and hands the socket to `talk`.
class RawReceiver {
 public:
  explicit RawReceiver(std::function<void(int)> talk) : talk_(std::move(talk)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0; close(fd)) {
        char request[65536];
        if (recv(fd, request, sizeof(request), 0) > 0) talk_(fd);
      }
    });
  }
  ~RawReceiver() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }

 private:
  const std::function<void(int)> talk_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

bool Say(int fd, const std::string& text) {
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL) >= 0;
}

class WebhookHostileTest : public WebhookTest {
 protected:
  void Send(int port) {
    Configure({To("a", port)});
    Start();
    Put("x");
  }
};

TEST_F(WebhookHostileTest, EndlessHeadersAreCutOff) {
  std::atomic<uint64_t> said{0};
  RawReceiver receiver([&](int fd) {
    Say(fd, "HTTP/1.1 200 OK\r\n");
    const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
    while (Say(fd, line)) said += line.size();
  });
  Send(receiver.port());
  const WebhookAttempt a = attempts_.WaitFor(1)[0];
  EXPECT_FALSE(a.delivered);
  EXPECT_THAT(a.detail, HasSubstr("longer than 1048576 bytes"));
  EXPECT_GT(said, 1u << 20);
}

TEST_F(WebhookHostileTest, EndlessBodyOfASuccessIsCutOffAndCountsAsDelivered) {
  RawReceiver receiver([&](int fd) {
    Say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
    while (Say(fd, std::string(100'000, 'x'))) {
    }
  });
  Send(receiver.port());
  EXPECT_TRUE(attempts_.WaitFor(1)[0].delivered);
}

TEST_F(WebhookHostileTest, EndlessChunkedErrorIsCutOffAndQuotedShortAndPrintable) {
  RawReceiver receiver([&](int fd) {
    Say(fd, "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (Say(fd, "a\r\nno\x1b[2J\xff\n..\r\n")) {
    }
  });
  Send(receiver.port());
  const WebhookAttempt a = attempts_.WaitFor(1)[0];
  EXPECT_TRUE(a.dead);
  EXPECT_THAT(a.detail, HasSubstr("HTTP status 403: no?[2J? ..no?[2J"));
  EXPECT_EQ(a.detail.size(), std::string("HTTP status 403: ").size() + 200);
}

TEST_F(WebhookHostileTest, SilenceIsEndedByTheDeadlineOfTheWholeRequest) {
  EventLog<int> asked;
  RawReceiver receiver([&](int fd) {
    Say(fd, "HTTP/1.1 200 OK\r\n");
    asked.Add(1);
    char c;
    while (recv(fd, &c, 1, 0) > 0) {  // until the sender goes
    }
  });
  WebhookReceiver to = To("a", receiver.port());
  to.timeout = std::chrono::minutes(2);  // the library's own limits are far
  Configure({to});
  Start();
  Put("x");
  asked.WaitFor(1);
  Advance(std::chrono::minutes(2));
  EXPECT_THAT(attempts_.WaitFor(1)[0].detail, HasSubstr("no answer within 120 s"));
}

TEST_F(WebhookHostileTest, StopDoesNotWaitForASilentReceiver) {
  EventLog<int> asked;
  RawReceiver receiver([&](int fd) {
    asked.Add(1);
    char c;
    while (recv(fd, &c, 1, 0) > 0) {  // until the other side has had enough
    }
  });
  WebhookReceiver to = To("a", receiver.port());
  to.timeout = std::chrono::minutes(2);
  Configure({to});
  Start();
  Put("x");
  asked.WaitFor(1);
  sender_->Stop();
  EXPECT_EQ(attempts_.size(), 0u);
  EXPECT_EQ(outbox_->Totals(*db_, "a")->pending, 1u);
}

TEST_F(WebhookHostileTest, NonsenseIsAFailureAndTriedAgain) {
  std::atomic<int> turn{0};
  const std::vector<std::string> answers = {"",
                                            "\r\n\r\n",
                                            "SSH-2.0-OpenSSH_9.2\r\n",
                                            std::string(10'000, '\0'),
                                            "HTTP/1.1 999999999999 X\r\n\r\n",
                                            "HTTP/1.1 000 X\r\nContent-Length: -1\r\n\r\n",
                                            "HTTP/1.1 200",
                                            "HTTP/1.1 500 X\r\nRetry-After: \xff\r\n\r\n"};
  RawReceiver receiver([&](int fd) {
    const size_t i = static_cast<size_t>(turn++);
    Say(fd, i < answers.size() ? answers[i] : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  Send(receiver.port());
  const auto attempts = AdvanceUntilAttempts(answers.size() + 1);
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_FALSE(attempts[i].delivered) << i;
  EXPECT_TRUE(attempts[answers.size()].delivered);
}

}  // namespace
}  // namespace portolan
