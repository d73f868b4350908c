#include "coordinator/notify/webhook_client.h"

#include <fcntl.h>
#include <httplib.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/status.h"
#include "coordinator/notify/socket_watch.h"

namespace portolan {
namespace {

constexpr uint64_t kMaxAnswerBytes = 1 << 20;
constexpr size_t kMaxExcerpt = 200;

std::string Explain(httplib::Error error, const WebhookReceiver& receiver) {
  const std::string origin = receiver.url.Origin();
  switch (error) {
    case httplib::Error::Connection:
      return fmt::format("{}: cannot connect: is it up, and its name and port right?", origin);
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::SSLConnection:
      return fmt::format("{}: no {} within {} s", origin,
                         error == httplib::Error::SSLConnection ? "TLS handshake" : "connection",
                         ToSeconds(receiver.timeout));
    case httplib::Error::SSLLoadingCerts:
      return fmt::format("{}: cannot load the CA certificates of {}", origin,
                         receiver.tls_ca_file.empty() ? "the system" : receiver.tls_ca_file);
    case httplib::Error::SSLServerVerification:
      return fmt::format(
          "{}: its certificate is not for this host, has expired, or is not of a trusted CA: give "
          "tls_ca_file",
          origin);
    case httplib::Error::Read:
      return fmt::format("{}: no answer within {} s, or the connection was closed", origin,
                         ToSeconds(receiver.timeout));
    default:
      return fmt::format("{}: {}", origin, httplib::to_string(error));
  }
}

std::string Printable(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c >= 0x7F) c = c == '\n' || c == '\r' || c == '\t' ? ' ' : '?';
  }
  return text;
}

}  // namespace

WebhookClient::WebhookClient(const WebhookReceiver& receiver, const Clock& clock)
    : receiver_(receiver), clock_(clock) {
  const WebhookUrl& url = receiver.url;
  if (url.tls) {
    client_ = std::make_unique<httplib::SSLClient>(url.host, url.port);
    client_->enable_server_certificate_verification(true);
    if (!receiver.tls_ca_file.empty()) client_->set_ca_cert_path(receiver.tls_ca_file);
  } else {
    client_ = std::make_unique<httplib::ClientImpl>(url.host, url.port);
  }
  const auto timeout = std::chrono::duration_cast<std::chrono::microseconds>(receiver.timeout);
  const auto seconds = static_cast<time_t>(timeout.count() / 1'000'000);
  const auto rest = static_cast<time_t>(timeout.count() % 1'000'000);
  client_->set_connection_timeout(seconds, rest);
  client_->set_read_timeout(seconds, rest);
  client_->set_write_timeout(seconds, rest);
  client_->set_follow_location(false);
  client_->set_decompress(false);  // a small answer could unpack to a huge one
  client_->set_url_encode(false);
  client_->set_keep_alive(true);
  client_->set_tcp_nodelay(true);
  client_->set_socket_options([this](int fd) { TakeSocket(fd); });
}

WebhookClient::~WebhookClient() {
  client_.reset();
  MutexLock lock(mu_);
  if (socket_ >= 0) close(socket_);
}

void WebhookClient::TakeSocket(int fd) {
  MutexLock lock(mu_);
  if (socket_ >= 0) close(socket_);
  socket_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  received_before_ = 0;
  // Before it is connected, so the request fails at once.
  if (cancelled_ || !ended_.empty()) AbortSocket(fd);
}

uint64_t WebhookClient::ReceivedBytes() const {
  return socket_ < 0 ? 0 : SocketReceivedBytes(socket_);
}

void WebhookClient::EndRequest(std::string why) {
  ended_ = std::move(why);
  if (socket_ >= 0) AbortSocket(socket_);
}

void WebhookClient::Watch() {
  const Time now = clock_.Now();
  MutexLock lock(mu_);
  if (!in_flight_ || !ended_.empty()) return;
  if (now >= deadline_) {
    EndRequest(fmt::format("{}: no answer within {} s", receiver_.url.Origin(),
                           ToSeconds(receiver_.timeout)));
  } else if (ReceivedBytes() > received_before_ + kMaxAnswerBytes) {
    EndRequest(fmt::format("{}: its answer is longer than {} bytes", receiver_.url.Origin(),
                           kMaxAnswerBytes));
  }
}

void WebhookClient::Cancel() {
  MutexLock lock(mu_);
  cancelled_ = true;
  if (in_flight_) EndRequest("the coordinator stops");
}

WebhookAnswer WebhookClient::Post(const Headers& headers, const std::string& body) {
  WebhookAnswer answer;
  {
    MutexLock lock(mu_);
    if (cancelled_) {
      answer.error = "the coordinator stops";
      return answer;
    }
    in_flight_ = true;
    ended_.clear();
    deadline_ = clock_.Now() + receiver_.timeout;
    received_before_ = ReceivedBytes();
  }
  httplib::Request request;
  request.method = "POST";
  request.path = receiver_.url.target;
  request.body = body;
  for (const auto& [name, value] : headers) request.headers.emplace(name, value);
  std::string kept;
  uint64_t length = 0;
  request.response_handler = [&](const httplib::Response& response) {
    answer.status = response.status;
    answer.retry_after = response.get_header_value("Retry-After").substr(0, 100);
    return true;
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    kept.append(data, std::min(size, kMaxExcerpt - kept.size()));
    length += size;
    return length <= kMaxAnswerBytes;
  };
  httplib::Response response;
  httplib::Error error = httplib::Error::Success;
  const bool complete = client_->send(request, response, error);
  // Outside our lock: the library calls TakeSocket under its own.
  const bool kept_open = complete && client_->is_socket_open() != 0;

  MutexLock lock(mu_);
  in_flight_ = false;
  if (socket_ >= 0 && !kept_open) {
    // The library has closed its descriptor; with ours the connection would stay, half dead.
    if (!complete) AbortSocket(socket_);
    close(socket_);
    socket_ = -1;
  }
  // A status came before whatever ended the rest of the answer: it counts.
  if (answer.status == 0 && complete) answer.status = response.status;
  if (answer.status <= 0) {
    answer.status = 0;
    answer.error = ended_.empty() ? Explain(error, receiver_) : ended_;
  }
  answer.excerpt = Printable(std::move(kept));
  return answer;
}

}  // namespace portolan
