#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portolan::integration {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A directory that goes with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
};

// A child process whose output goes to files. Killed and reaped when the object goes.
class Process {
 public:
  struct Options {
    std::string netns;  // empty: this one
    std::map<std::string, std::string> env;
    std::string stdin_text;
  };
  // `log_prefix`: path that ".out" and ".err" are added to.
  Process(std::vector<std::string> argv, const std::string& log_prefix, Options options);
  Process(std::vector<std::string> argv, const std::string& log_prefix)
      : Process(std::move(argv), log_prefix, Options()) {}
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal);
  // Exit code, 128 + signal when killed by one; nullopt: still running after `timeout`.
  std::optional<int> Wait(milliseconds timeout);
  bool Running() { return !Wait(milliseconds(0)).has_value(); }
  std::string Out() const;
  std::string Err() const;
  // The first stderr line that contains `text`; "" after `timeout` or when the process has ended
  // without it.
  std::string WaitForErr(const std::string& text, milliseconds timeout);

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_;
  std::string out_path_, err_path_;
};

// Runs to the end; exit code -1 when `timeout` passed (then it is killed).
struct RunResult {
  int code = -1;
  std::string out, err;
};
RunResult RunToEnd(std::vector<std::string> argv, milliseconds timeout = seconds(60),
                   Process::Options options = {});

// Runs a shell command that must succeed; false (and the output on stderr) when it does not.
bool Shell(const std::string& command);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& text);

// True once `condition` holds, polled every 20 ms; false after `timeout`.
template <typename F>
bool Eventually(milliseconds timeout, F condition);
void Pause(milliseconds d);
int64_t NowMillis();

template <typename F>
bool Eventually(milliseconds timeout, F condition) {
  const int64_t end = NowMillis() + timeout.count();
  while (true) {
    if (condition()) return true;
    if (NowMillis() >= end) return false;
    Pause(milliseconds(20));
  }
}

}  // namespace portolan::integration
