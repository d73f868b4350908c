#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/ops/http_endpoint.h"
#include "common/ops/metric_builder.h"
#include "common/ops/signals.h"

namespace portolan {
namespace {

// The number of entries of /proc/self/fd, or -1.
double OpenFds() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return -1;
  int n = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++n;
  }
  closedir(dir);
  return n - 1;  // but for the one just opened
}

double BootTimeSeconds() {
  std::ifstream in("/proc/stat");
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("btime ", 0) == 0) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

class ProcessCollector final : public prometheus::Collectable {
 public:
  explicit ProcessCollector(std::string program)
      : program_(std::move(program)), boot_time_(BootTimeSeconds()) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    MetricBuilder out;
    out.Gauge("portolan_build_info", "Always 1; the labels say which program and version this is.",
              {{"program", program_}, {"version", Version()}}, 1);
    std::ifstream in("/proc/self/stat");
    std::string line;
    std::getline(in, line);
    const size_t paren = line.rfind(')');  // the program's name, in parentheses, may hold anything
    if (paren != std::string::npos && paren + 2 < line.size()) {
      std::istringstream rest(line.substr(paren + 2));
      std::vector<std::string> f{std::istream_iterator<std::string>(rest), {}};
      // Fields of proc(5) count from 1; f[0] is field 3.
      const auto field = [&](size_t n) {
        return n - 3 < f.size() ? std::strtod(f[n - 3].c_str(), nullptr) : 0;
      };
      const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
      out.Counter("process_cpu_seconds_total", "User and system CPU time spent, in seconds.", {},
                  (field(14) + field(15)) / ticks);
      out.Gauge("process_threads", "Threads of the process.", {}, field(20));
      out.Gauge("process_start_time_seconds",
                "When the process started, in seconds since the Unix epoch.", {},
                boot_time_ + field(22) / ticks);
      out.Gauge("process_virtual_memory_bytes", "Virtual memory in bytes.", {}, field(23));
      out.Gauge("process_resident_memory_bytes", "Resident memory in bytes.", {},
                field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    }
    if (const double fds = OpenFds(); fds >= 0)
      out.Gauge("process_open_fds", "Open file descriptors.", {}, fds);
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      out.Gauge("process_max_fds", "The most file descriptors that the process may open.", {},
                static_cast<double>(limit.rlim_cur));
    }
    return out.Take();
  }

 private:
  const std::string program_;
  const double boot_time_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> ProcessMetrics(const std::string& program) {
  return std::make_shared<ProcessCollector>(program);
}

}  // namespace portolan
