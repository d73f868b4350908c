#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/base/time.h"
#include "common/dns/resolver_config.h"
#include "tests/dns/zone.h"

namespace portolan {

// A name server for tests, over UDP and TCP, on one thread: 100,000 questions per second and more.
// Thread-safe.
class DnsServer {
 public:
  enum class Mode : uint8_t {
    kAnswers,
    kSilent,  // reads and drops every question
    kClosed,  // nobody listens: the kernel refuses questions to loopback
  };
  struct Options {
    std::string address = "127.0.0.1";
    uint16_t port = 0;  // 0: any free one
    DnsZone zone;
    // Questions that wait for their delay at most; it refuses more, as dnsmasq does. 0: no limit.
    size_t max_waiting = 0;
    // Whether AskedFor() is wanted, which costs as much as answering.
    bool count_names = true;
  };
  static absl::StatusOr<std::unique_ptr<DnsServer>> Start(Options options);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  NameServer server() const { return server_; }
  // Returns once it is so.
  void SetMode(Mode mode) EXCLUDES(mu_);
  void Set(const std::string& name, std::vector<IpAddress> addresses) EXCLUDES(mu_);

  // Questions read so far, in any mode.
  uint64_t questions() const { return questions_; }
  // Questions that waited for their delay, or would never be answered, at the same time. The latter
  // are counted for five seconds.
  size_t max_waiting() const { return max_waiting_; }
  // How often `name` was asked for, of either type. Remembers 100,000 names.
  size_t AskedFor(const std::string& name) const EXCLUDES(mu_);
  // Waits until so many questions were read; after 30 s in vain it ends the program.
  void WaitForQuestions(uint64_t count) const EXCLUDES(mu_);

 private:
  struct Sockets;
  struct Late {
    Time due;
    std::string message;  // empty: never answered
    std::string peer;     // the bytes of its socket address
  };
  explicit DnsServer(Options options);

  absl::Status Open() EXCLUDES(mu_);
  void Run();
  void ReadUdp();
  void Accept();
  // False: the connection has ended.
  bool ReadTcp(int fd, std::string* buffer);
  // The answer to send now; empty: none, or later.
  std::string OnQuestion(std::string_view message, std::string_view peer) EXCLUDES(mu_);
  void ApplyMode() EXCLUDES(mu_);
  void SendDue(Time now);
  Duration WaitTime(Time now) const;

  const Options options_;
  NameServer server_;
  std::unique_ptr<Sockets> sockets_;
  std::atomic<uint64_t> questions_{0};
  std::atomic<size_t> max_waiting_{0};
  std::atomic<bool> stopping_{false};
  mutable Mutex mu_;
  mutable CondVar changed_;
  Mode wanted_mode_ GUARDED_BY(mu_) = Mode::kAnswers;
  Mode mode_ GUARDED_BY(mu_) = Mode::kAnswers;
  DnsZone zone_ GUARDED_BY(mu_);
  std::map<std::string, size_t> asked_ GUARDED_BY(mu_);
  // The thread's own.
  std::map<Duration, std::deque<Late>> late_;  // by delay: each queue is in order
  size_t waiting_ = 0;
  std::thread thread_;
};

}  // namespace portolan
