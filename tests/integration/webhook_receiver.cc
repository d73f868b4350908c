#include "tests/integration/webhook_receiver.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sched.h>
#include <unistd.h>

#include "tests/integration/process.h"

namespace portolan::integration {

bool WebhookReceiver::Up() {
  server_ = std::make_unique<httplib::Server>();
  server_->Post("/hook", [this](const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard<std::mutex> lock(mu_);
    requests_.push_back({request.get_header_value("X-Portolan-Delivery"),
                         request.get_header_value("X-Portolan-Signature"),
                         request.get_header_value("Content-Type"), request.body});
    response.status = 204;
  });
  // The socket belongs to the namespace of the thread that makes it.
  thread_ = std::thread([this] {
    const int ns = open(("/run/netns/" + netns_).c_str(), O_RDONLY | O_CLOEXEC);
    const bool entered = ns >= 0 && setns(ns, CLONE_NEWNET) == 0;
    if (ns >= 0) close(ns);
    if (entered) server_->listen("127.0.0.1", port_);
  });
  return Eventually(seconds(10), [this] { return server_->is_running(); });
}

void WebhookReceiver::Down() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
  server_.reset();
}

std::vector<WebhookReceiver::Request> WebhookReceiver::requests() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return requests_;
}

bool IsSigned(const WebhookReceiver::Request& request, const std::string& secret) {
  const size_t comma = request.signature.find(",v1=");
  if (request.signature.rfind("t=", 0) != 0 || comma == std::string::npos) return false;
  const std::string signed_text = request.signature.substr(2, comma - 2) + "." + request.body;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest,
           &size) == nullptr) {
    return false;
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return request.signature.substr(comma + 4) == hex;
}

}  // namespace portolan::integration
