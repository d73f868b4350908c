#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/time.h"
#include "common/dns/resolver_config.h"
#include "common/net/name_lookup.h"

namespace portolan {

// How this machine looks up names. The defaults are the system's; tests replace them.
struct SystemNameLookupOptions {
  // Read at the start, and again within a second when one of them has changed.
  std::string resolv_conf = "/etc/resolv.conf";
  std::string hosts = "/etc/hosts";
  std::string nsswitch = "/etc/nsswitch.conf";
  // Exists while systemd-resolved runs.
  std::string resolve_socket = "/run/systemd/resolve/io.systemd.Resolve";
  // Whether LOCALDOMAIN, RES_OPTIONS and this machine's host name count.
  bool environment = true;
  // Instead of what resolv.conf says.
  std::vector<NameServer> servers;
  std::optional<Duration> timeout;
  std::optional<int> attempts;

  // Names under way at the name servers, over all requests; each is up to two questions (A and
  // AAAA). A request alone gets two thirds of them.
  size_t max_names = 768;
  // Names under way at other sources of nsswitch.conf, each of which takes a thread.
  size_t max_other = 16;
  // Asks all sources of the system for one name; may block. Null: getaddrinfo.
  std::function<NameAnswer(const std::string& name)> ask_system;
};

// Looks up names as getaddrinfo does, hundreds at a time: in /etc/hosts, at the servers of
// /etc/resolv.conf, and, for a name that these do not know, by getaddrinfo itself when the `hosts:`
// line of nsswitch.conf names a source that may know it. docs/names.md says it in full. One thread
// asks the name servers. Destroying it waits for nothing: getaddrinfo calls under way are left to
// end alone. Unavailable when the system gives no descriptors.
absl::StatusOr<std::unique_ptr<NameLookup>> MakeSystemNameLookup(
    SystemNameLookupOptions options = {});

// What getaddrinfo says about one name. Blocks.
NameAnswer AskGetaddrinfo(const std::string& name);

}  // namespace portolan
