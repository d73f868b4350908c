#pragma once

#include <httplib.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace portolan::integration {

// An HTTP server that takes webhooks at http://127.0.0.1:PORT/hook of a namespace, and can be away
// in between: then nobody listens on its port.
class WebhookReceiver {
 public:
  struct Request {
    std::string delivery, signature, type, body;
  };
  WebhookReceiver(std::string netns, int port) : netns_(std::move(netns)), port_(port) {}
  ~WebhookReceiver() { Down(); }
  WebhookReceiver(const WebhookReceiver&) = delete;
  WebhookReceiver& operator=(const WebhookReceiver&) = delete;

  bool Up();
  void Down();
  std::vector<Request> requests() const;  // all that came so far, in order

 private:
  const std::string netns_;
  const int port_;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
  mutable std::mutex mu_;
  std::vector<Request> requests_;
};

// Whether "t=SECONDS,v1=HEX" is the HMAC-SHA256 of "SECONDS.BODY", by OpenSSL.
bool IsSigned(const WebhookReceiver::Request& request, const std::string& secret);

}  // namespace portolan::integration
