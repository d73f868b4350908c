#include "common/dns/system_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace portolan {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets them
  return value == nullptr ? "" : value;
}

std::string HostName() {
  std::array<char, 256> name{};
  // Longer than fits: cut off, and ended here.
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

int64_t Nanoseconds(const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

}  // namespace

SystemFiles::SystemFiles(const SystemNameLookupOptions& options)
    : options_(options),
      host_name_(options.environment ? HostName() : ""),
      resolv_conf_{options.resolv_conf, {}},
      hosts_file_{options.hosts, {}},
      nsswitch_{options.nsswitch, {}},
      written_(ParseNsswitch("")),
      sources_(written_) {
  ApplyResolvConf("");
  Refresh();
}

bool SystemFiles::Refresh() {
  std::string text;
  const bool new_sources = ReadIfChanged(&nsswitch_, &text);
  if (new_sources) written_ = ParseNsswitch(text);
  const bool resolve_running = access(options_.resolve_socket.c_str(), F_OK) == 0;
  if (new_sources || resolve_running != resolve_running_) {
    resolve_running_ = resolve_running;
    sources_ = written_;
    if (!resolve_running) std::erase(sources_.deciding, "resolve");
  }
  if (ReadIfChanged(&hosts_file_, &text)) hosts_ = HostsTable::Parse(text);
  if (!ReadIfChanged(&resolv_conf_, &text)) return false;
  ApplyResolvConf(text);
  return true;
}

bool SystemFiles::ReadIfChanged(File* file, std::string* text) {
  // Before reading: a change meanwhile is then read again, instead of missed.
  const Stamp stamp = StampOf(file->path);
  if (stamp == file->stamp) return false;
  file->stamp = stamp;
  std::ifstream in(file->path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  *text = content.str();
  return true;
}

SystemFiles::Stamp SystemFiles::StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size, Nanoseconds(info.st_mtim),
          Nanoseconds(info.st_ctim)};
}

void SystemFiles::ApplyResolvConf(const std::string& text) {
  ResolverConfig config = options_.environment
                              ? ParseResolvConf(text, Environment("LOCALDOMAIN"),
                                                Environment("RES_OPTIONS"), host_name_)
                              : ParseResolvConf(text);
  if (!options_.servers.empty()) {
    config.servers = options_.servers;
    config.unusable_servers.clear();
  }
  if (options_.timeout.has_value()) config.timeout = *options_.timeout;
  if (options_.attempts.has_value()) config.attempts = *options_.attempts;
  resolver_ = std::make_shared<const ResolverConfig>(std::move(config));
}

}  // namespace portolan
