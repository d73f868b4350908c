#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/net/name_lookup.h"

namespace portolan {

// The `hosts:` line of nsswitch.conf(5), as far as it decides who is asked. Actions in brackets
// count where they end the search ([NOTFOUND=return], [!UNAVAIL=return], ...); those that go on
// after a success ([SUCCESS=continue], [SUCCESS=merge]) are ignored.
struct HostSources {
  bool files = false;
  bool dns = false;
  bool dns_first = false;  // before files
  // Sources that only the system's own resolver can ask, in their order; the first
  // `others_before_dns` of them come before the name servers.
  std::vector<std::string> other;
  size_t others_before_dns = 0;
  // Those of `other` that come before the name servers (without any: before the hosts file) and
  // may end the search without an address: "resolve [!UNAVAIL=return] dns".
  std::vector<std::string> deciding;
  bool deciding_first = false;  // one of them comes before the hosts file
  // Nobody behind the name servers is asked when they say that a name does not exist or has no
  // address ("dns [NOTFOUND=return] files"); when they could not be asked.
  bool dns_denial_is_final = false;
  bool dns_failure_is_final = false;
};
// Without such a line: "files dns", as glibc. Never fails: what it does not know it ignores.
HostSources ParseNsswitch(std::string_view text);

// Which of the other sources might know `name`: those of multicast DNS know only names under
// .local, "myhostname" this machine's own names, "mymachines" names of one label. `host_name` is
// this machine's. `before_dns`: only of those before the name servers.
std::vector<std::string> SourcesThatMayKnow(const HostSources& sources, std::string_view name,
                                            std::string_view host_name, bool before_dns = false);

// True: a source that may know `name` comes before the name servers and may end the search, so that
// only the system's own resolver can say what becomes of it.
bool SystemDecides(const HostSources& sources, std::string_view name, std::string_view host_name);

// True: after this answer of the name servers the hosts file behind them is not read, and only
// sources before them may still know the name.
bool EndsSearch(const HostSources& sources, LookupProblem problem);

}  // namespace portolan
