#include "coordinator/control/rivals.h"

#include <algorithm>
#include <utility>

namespace portolan {

std::string PeerHost(std::string_view peer) {
  const size_t first = peer.find(':');
  const size_t last = peer.rfind(':');
  if (first == peer.npos || first == last) return std::string(peer);
  std::string host(peer.substr(first + 1, last - first - 1));
  for (const std::string_view bracket : {"%5B", "%5D", "[", "]"}) {
    for (size_t at = host.find(bracket); at != host.npos; at = host.find(bracket))
      host.erase(at, bracket.size());
  }
  return host;
}

bool Rivals::Note(const std::string& host, Time now) {
  Rival rival{host, now, now};
  bool log = true;
  const auto known =
      std::find_if(rivals_.begin(), rivals_.end(), [&](const Rival& r) { return r.host == host; });
  if (known != rivals_.end()) {
    log = now - known->logged >= kLogEvery;
    if (!log) rival.logged = known->logged;
    rivals_.erase(known);
  }
  rivals_.insert(rivals_.begin(), std::move(rival));
  if (rivals_.size() > kMost) rivals_.pop_back();
  return log;
}

std::vector<std::string> Rivals::Hosts(Time now) const {
  std::vector<std::string> out;
  for (const Rival& r : rivals_) {
    if (now - r.at <= kShownFor) out.push_back(r.host);
  }
  return out;
}

}  // namespace portolan
