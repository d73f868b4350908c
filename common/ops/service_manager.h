#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/time.h"

namespace portolan {

// Tells systemd how the program is, as sd_notify(3) describes it: one datagram a message to
// $NOTIFY_SOCKET. Where nobody asked for it (no systemd, a unit of another type) nothing is sent.
// Written here and not linked from libsystemd, which brings five libraries into each process;
// systemd keeps the protocol stable for that. Errors are not told: there is nobody else to tell,
// and systemd's own time-outs say what did not arrive. Not thread-safe.
class ServiceManager {
 public:
  struct Options {
    std::string socket;   // a path, or "@NAME" of the abstract namespace; empty: nobody asked
    Duration watchdog{};  // a service that says nothing for so long is restarted; zero: never
  };
  explicit ServiceManager(Options options);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // What the environment asks of this process. Takes the variables out of it, so that no child
  // takes them for its own: call it before there are threads.
  static Options FromEnvironment();

  void Ready(std::string_view status);     // it serves
  void Stopping(std::string_view status);  // it was told to end
  // For people, one line in `systemctl status`; sent when it has changed.
  void Status(std::string_view text);
  // To be called at least every `beat_every()`. While `live` is OK the watchdog is fed, four times
  // in its period; else the reason is shown, and systemd restarts the service when the period is
  // over.
  void Beat(Time now, const absl::Status& live);
  Duration beat_every() const;  // at most an hour

 private:
  void Send(std::string_view message);

  const Options options_;
  int fd_ = -1;
  std::string status_;
  std::string ready_;  // what is said while all is well
  bool well_ = true;
  Time next_beat_{};
};

}  // namespace portolan
