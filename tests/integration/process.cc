#include "tests/integration/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace portolan::integration {

int64_t NowMillis() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1000 + ts.tv_nsec / 1'000'000;
}

void Pause(milliseconds d) { poll(nullptr, 0, static_cast<int>(d.count())); }

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/portolan-test-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  if (std::getenv("PORTOLAN_KEEP_LOGS") != nullptr) {
    std::fprintf(stderr, "kept: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;  // a left-over directory under /tmp fails no test
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(std::vector<std::string> argv, const std::string& log_prefix, Options options)
    : out_path_(log_prefix + ".out"), err_path_(log_prefix + ".err") {
  if (!options.netns.empty()) {
    argv.insert(argv.begin(), {"ip", "netns", "exec", options.netns});
  }
  WriteFile(log_prefix + ".in", options.stdin_text);
  // Everything the child needs is made before fork: other threads of this program may hold locks.
  std::vector<char*> args;
  for (std::string& a : argv) args.push_back(a.data());
  args.push_back(nullptr);
  std::vector<std::string> env_texts;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string text = *e;
    if (text.rfind("PORTOLAN_", 0) == 0)
      continue;  // what the person who runs the tests has set must not matter
    if (options.env.count(text.substr(0, text.find('='))) != 0) continue;
    env_texts.push_back(text);
  }
  for (const auto& [key, value] : options.env) env_texts.push_back(key + "=" + value);
  std::vector<char*> env;
  for (std::string& e : env_texts) env.push_back(e.data());
  env.push_back(nullptr);
  const int in = open((log_prefix + ".in").c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(out_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int err = open(err_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvpe(args[0], args.data(), env.data());
    _exit(127);
  }
  close(in);
  close(out);
  close(err);
}

Process::~Process() {
  if (Wait(milliseconds(0)).has_value()) return;
  Signal(SIGCONT);
  Signal(SIGKILL);
  Wait(seconds(10));
}

void Process::Signal(int signal) {
  if (!exit_.has_value() && pid_ > 0) kill(pid_, signal);
}

std::optional<int> Process::Wait(milliseconds timeout) {
  const int64_t end = NowMillis() + timeout.count();
  while (!exit_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    if (NowMillis() >= end) return std::nullopt;
    Pause(milliseconds(10));
  }
  return exit_;
}

std::string Process::Out() const { return ReadFile(out_path_); }
std::string Process::Err() const { return ReadFile(err_path_); }

std::string Process::WaitForErr(const std::string& text, milliseconds timeout) {
  std::string line;
  Eventually(timeout, [&] {
    const bool ended = !Running();
    std::istringstream err(Err());
    while (std::getline(err, line)) {
      if (line.find(text) != std::string::npos) return true;
    }
    line.clear();
    return ended;
  });
  return line;
}

RunResult RunToEnd(std::vector<std::string> argv, milliseconds timeout, Process::Options options) {
  TempDir dir;
  Process process(std::move(argv), dir.path("run"), std::move(options));
  RunResult result;
  result.code = process.Wait(timeout).value_or(-1);
  result.out = process.Out();
  result.err = process.Err();
  return result;
}

bool Shell(const std::string& command) {
  const RunResult result = RunToEnd({"sh", "-c", command});
  if (result.code != 0) {
    std::fprintf(stderr, "failed (%d): %s\n%s%s\n", result.code, command.c_str(),
                 result.out.c_str(), result.err.c_str());
  }
  return result.code == 0;
}

}  // namespace portolan::integration
