#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "coordinator/notify/receiver.h"

namespace httplib {
class ClientImpl;
}

namespace portolan {

struct WebhookAnswer {
  int status = 0;           // of HTTP; 0: no answer
  std::string error;        // why there is none
  std::string excerpt;      // the first 200 bytes of the body, printable
  std::string retry_after;  // the header
};

// Posts to one receiver over one kept connection. Dials its host and no other, follows no redirect,
// checks its certificate. Bounded whatever the peer does: the time of a request (by Watch), the
// bytes that it may answer (1 MiB with its headers), what is kept of them. Post: one thread. Watch
// and Cancel: any.
class WebhookClient {
 public:
  // `receiver` and `clock` must outlive it.
  WebhookClient(const WebhookReceiver& receiver, const Clock& clock);
  ~WebhookClient();
  WebhookClient(const WebhookClient&) = delete;
  WebhookClient& operator=(const WebhookClient&) = delete;

  using Headers = std::vector<std::pair<std::string, std::string>>;
  WebhookAnswer Post(const Headers& headers, const std::string& body);

  // Ends the request in flight when it has taken too long or has been answered too much. To be
  // called every now and then: the library's own limits are for each read, and it keeps any number
  // of header lines.
  void Watch();
  // Ends the request in flight, and all later ones.
  void Cancel();

 private:
  void TakeSocket(int fd);
  void EndRequest(std::string why) REQUIRES(mu_);
  uint64_t ReceivedBytes() const REQUIRES(mu_);

  const WebhookReceiver& receiver_;
  const Clock& clock_;
  std::unique_ptr<httplib::ClientImpl> client_;  // of the thread that posts

  Mutex mu_;
  // A descriptor of our own for the connection's socket: the library closes its at any time, and
  // the number may then be another's.
  int socket_ GUARDED_BY(mu_) = -1;
  bool in_flight_ GUARDED_BY(mu_) = false;
  bool cancelled_ GUARDED_BY(mu_) = false;
  std::string ended_ GUARDED_BY(mu_);  // why we ended the request
  Time deadline_ GUARDED_BY(mu_) = kNever;
  uint64_t received_before_ GUARDED_BY(mu_) = 0;
};

}  // namespace portolan
