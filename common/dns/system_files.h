#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "common/dns/host_sources.h"
#include "common/dns/hosts_table.h"
#include "common/dns/resolver_config.h"
#include "common/dns/system_name_lookup.h"

namespace portolan {

// What the system's files say about looking up names. Kept up to date by Refresh(). Not
// thread-safe. Does blocking, but short, file I/O.
class SystemFiles {
 public:
  // Reads all three files. One that cannot be read counts as empty.
  explicit SystemFiles(const SystemNameLookupOptions& options);

  // Reads those again that have changed, and looks whether systemd-resolved runs: without it the
  // source "resolve" decides nothing. True: resolver() has changed.
  bool Refresh();

  // Never null; a value of its own after each change.
  std::shared_ptr<const ResolverConfig> resolver() const { return resolver_; }
  const HostsTable& hosts() const { return hosts_; }
  const HostSources& sources() const { return sources_; }
  const std::string& host_name() const { return host_name_; }

 private:
  // What tells that a file is another, or has another content. By the nanosecond, so that a file
  // that is rewritten in place within a second is noticed.
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t size = -1, modified = 0, changed = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct File {
    std::string path;
    Stamp stamp;
  };
  // True and the new content when the file is not what it was at the last call.
  static bool ReadIfChanged(File* file, std::string* text);
  static Stamp StampOf(const std::string& path);
  void ApplyResolvConf(const std::string& text);

  const SystemNameLookupOptions options_;
  std::string host_name_;
  File resolv_conf_, hosts_file_, nsswitch_;
  std::shared_ptr<const ResolverConfig> resolver_;
  HostsTable hosts_;
  HostSources written_;           // what nsswitch.conf says
  bool resolve_running_ = false;  // systemd-resolved
  HostSources sources_;           // and what comes of it now
};

}  // namespace portolan
