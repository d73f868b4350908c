// portolan: the command line. See portolan --help.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/environment.h"
#include "cli/exit_code.h"
#include "cli/local.h"
#include "common/ops/signals.h"
#include "common/rpc/connection.h"

namespace portolan {
namespace {

// A program that is started with a standard descriptor closed would get it for the next file that
// it opens, such as its database, and print into it. Such a descriptor is filled so that using it
// still fails.
void FillStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    (void)::open("/dev/null",
                 fd == 0 ? O_WRONLY : O_RDONLY);  // the lowest free descriptor, which is fd
  }
}

void WriteError(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(2, text.data(), text.size());
    if (n <= 0) return;  // nobody to tell
    text.remove_prefix(static_cast<size_t>(n));
  }
}

size_t TerminalColumns() {
  winsize size{};
  return ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int Main(int argc, char** argv) {
  FillStandardDescriptors();
  SignalWaiter signals;  // before any other thread
  Interrupts interrupts([](int signal) {
    WriteError("\nportolan: stopped at once\n");
    ::_exit(ExitCodeOfSignal(
        signal));  // everything acknowledged is committed; no destructor is needed for that
  });
  std::atomic<bool> ended{false};
  std::thread listener([&] {
    while (!ended) {
      if (const auto signal = signals.Wait(std::chrono::hours(1))) interrupts.Deliver(*signal);
    }
  });

  Notes notes(WriteError, {.is_terminal = ::isatty(2) == 1, .columns = TerminalColumns},
              SystemClock());
  FdOutput out(1, "standard output");
  Environment environment;
  environment.out = &out;
  environment.in = &std::cin;
  environment.notes = &notes;
  environment.interrupts = &interrupts;
  environment.clock = &SystemClock();
  environment.out_is_terminal = ::isatty(1) == 1;
  environment.in_is_terminal = ::isatty(0) == 1;
  environment.getenv = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  environment.wait = [&](Duration d) { return interrupts.WaitFor(d); };
  environment.wait_connected = [&](grpc::Channel& channel, Duration d) {
    (void)WaitForConnection(channel, d, SystemClock(), [&] { return interrupts.interrupted(); });
    return interrupts.interrupted();
  };
  environment.dial = Dial;
  environment.start_local = StartLocalStack;

  const int code = RunCli(std::vector<std::string>(argv + 1, argv + argc), environment);
  ended = true;
  signals.Wake();
  listener.join();
  return code;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
