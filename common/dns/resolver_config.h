#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/net/ip_address.h"

namespace portolan {

struct NameServer {
  IpAddress address;
  uint16_t port = 53;

  // "198.18.0.1"; with its port only when that is not 53.
  std::string ToString() const;
  friend bool operator==(const NameServer&, const NameServer&) = default;
};

// What resolv.conf(5) says, as glibc reads it: at most three servers, the last `search` or `domain`
// line, options with glibc's limits.
struct ResolverConfig {
  std::vector<NameServer> servers;
  // Servers that cannot be asked directly (a link-local address with a zone), as written.
  std::vector<std::string> unusable_servers;
  std::vector<std::string> search;
  int ndots = 1;
  Duration timeout = std::chrono::seconds(5);  // for one question to one server
  int attempts = 2;                            // how often each server is asked
  bool rotate = false;
  bool use_tcp = false;     // use-vc
  bool edns = false;        // edns0
  bool no_aaaa = false;     // no-aaaa
  bool one_by_one = false;  // single-request, single-request-reopen
};

// `local_domain` and `options` are the variables LOCALDOMAIN and RES_OPTIONS, which go before the
// file; empty: not set. `host_name` is this machine's: its domain is searched when nothing else is
// said. Never fails: like glibc, ignores what it does not know. A text without servers means
// 127.0.0.1.
ResolverConfig ParseResolvConf(std::string_view text, std::string_view local_domain = {},
                               std::string_view options = {}, std::string_view host_name = {});

// The names to ask for, in order, of which the first that has an address counts: with the search
// list, as glibc does. `as_it_is` is the index of the name itself. Without a name that can be asked
// for (all are too long): empty.
struct SearchPlan {
  std::vector<std::string> names;
  size_t as_it_is = 0;
};
SearchPlan PlanSearch(std::string_view name, const ResolverConfig& config);

}  // namespace portolan
