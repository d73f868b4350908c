#include "bench/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/base/status.h"

namespace portolan::bench {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr int kPollsBeforeKill = 1000;  // 20 s

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

ChildProcess::Usage UsageOf(pid_t pid) {
  ChildProcess::Usage out;
  const std::string proc = fmt::format("/proc/{}", pid);
  std::istringstream status(ReadAll(proc + "/status"));
  for (std::string key; status >> key;) {
    uint64_t kib = 0;
    if (key == "VmRSS:" && status >> kib) out.resident_bytes = kib * 1024;
    if (key == "RssAnon:" && status >> kib) out.anonymous_bytes = kib * 1024;
  }
  const std::string stat = ReadAll(proc + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return out;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int i = 3; i <= 13; ++i) fields >> skipped;  // proc(5): utime is the 14th, stime the 15th
  double user = 0, system = 0;
  fields >> user >> system;
  out.cpu_s = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(std::vector<std::string> argv,
                                                                  std::string log_path) {
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return Unavailable("cannot write {}: {}", log_path, std::strerror(errno));
  std::vector<char*> pointers;
  for (std::string& a : argv) pointers.push_back(a.data());
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    // However this program ends, its child ends with it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  close(log);
  if (pid < 0) return Unavailable("cannot start {}: {}", argv[0], std::strerror(errno));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, std::move(log_path)));
}

ChildProcess::~ChildProcess() { Stop(); }

bool ChildProcess::HasEnded() {
  if (!ended_) ended_ = waitpid(pid_, nullptr, WNOHANG) == pid_;
  return ended_;
}

void ChildProcess::Stop() {
  if (HasEnded()) return;
  kill(pid_, SIGTERM);
  for (int i = 0; i < kPollsBeforeKill && !HasEnded(); ++i) std::this_thread::sleep_for(kPoll);
  if (HasEnded()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  ended_ = true;
}

absl::StatusOr<std::string> ChildProcess::WaitForField(std::string_view event, std::string_view key,
                                                       Duration timeout) {
  const std::string wanted = fmt::format(" {}=", key);
  for (auto waited = Duration::zero(); waited < timeout; waited += kPoll) {
    const bool ended = HasEnded();
    std::istringstream lines(ReadAll(log_path_));
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
      const size_t at = line.find(wanted);
      if (line.find(event) == std::string::npos || at == std::string::npos) continue;
      const size_t begin = at + wanted.size();
      return line.substr(begin, line.find(' ', begin) - begin);
    }
    if (ended) break;
    std::this_thread::sleep_for(kPoll);
  }
  return Unavailable("no \"{}\" with {} in the output of process {}:\n{}", event, key, pid_,
                     ReadAll(log_path_));
}

ChildProcess::Usage ChildProcess::usage() const { return UsageOf(pid_); }
ChildProcess::Usage OwnUsage() { return UsageOf(getpid()); }

}  // namespace portolan::bench
