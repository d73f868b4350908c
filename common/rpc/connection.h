#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "common/base/clock.h"
#include "common/base/mutex.h"

// Waiting for connections. gRPC advances an attempt to connect (TCP, then TLS) only while some
// thread waits on the channel or for one of its calls. While there is no connection, a call fails
// immediately; a loop that sleeps between such calls leaves the server's part of the handshake
// unread until the attempt times out, each time. So whatever retries calls waits here instead.
namespace portolan {

// Waits until `channel` is connected, for at most `timeout` of real time, or until `stop`, which is
// asked 10 times a second, returns true (null: never). Returns whether it is connected. Must not be
// called with the channel of a server in the same process, which is never "connected".
bool WaitForConnection(grpc::Channel& channel, Duration timeout, const Clock& clock,
                       const std::function<bool()>& stop);

// The same for owners that have no thread to wait with: waits on channels with a thread of its own,
// which sleeps while none is wanted. Thread-safe.
class ConnectionPoller {
 public:
  explicit ConnectionPoller(const Clock& clock);  // `clock` must outlive it
  ~ConnectionPoller();                            // takes at most 100 ms
  ConnectionPoller(const ConnectionPoller&) = delete;
  ConnectionPoller& operator=(const ConnectionPoller&) = delete;

  // Keeps connecting `channel` until it is connected, for at most `timeout`; a later call for the
  // same channel extends that.
  void Want(std::shared_ptr<grpc::Channel> channel, Duration timeout);

 private:
  struct Wish {
    std::shared_ptr<grpc::Channel> channel;
    Time until;
  };
  void Run();

  const Clock& clock_;
  Mutex mu_;
  CondVar changed_;
  bool stop_ GUARDED_BY(mu_) = false;
  std::map<grpc::Channel*, Wish> wanted_ GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace portolan
