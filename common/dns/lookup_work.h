#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/time.h"
#include "common/dns/name_servers.h"
#include "common/dns/name_walk.h"
#include "common/net/name_lookup.h"

namespace portolan {

// Whether somebody who holds `held` of `limit` slots may have one more when all together hold
// `total`. Nobody gets more than twice what is left free (dynamic thresholds: Choudhury and Hahne,
// 1998), so that n who want more than there is get 2/(2n+1) of it each, and the next one who comes
// finds 1/(2n+1) free, without waiting for anything to end.
inline bool MayTakeSlot(size_t held, size_t total, size_t limit) {
  return total < limit && (held == 0 || held < 2 * (limit - total));
}

// What a request and the thread that serves it share.
struct LookupShared {
  // True: nobody wants the answers any more.
  std::atomic<bool> cancelled{false};
  Mutex mu;  // held while a callback runs
  NameLookup::Progress progress GUARDED_BY(mu);
  NameLookup::Done done GUARDED_BY(mu);
};

// A request as its thread sees it. Only that thread touches it.
struct LookupWork {
  // A name that is asked for again later.
  struct Again {
    Time at;
    size_t index;
    int round;
  };

  std::shared_ptr<LookupShared> shared;
  std::vector<std::string> names;
  std::vector<NameAnswer> answers;
  size_t next = 0;                // names before it were started
  std::deque<Again> again;        // ascending times
  std::deque<size_t> other;       // names that only other sources may know; their answers say why
  size_t under_way = 0;           // at the name servers
  size_t other_under_way = 0;     // at other sources
  size_t done = 0, reported = 0;  // names with a final answer; what `progress` was last given
  bool ended = false;             // answered or cancelled

  explicit LookupWork(std::shared_ptr<LookupShared> with) : shared(std::move(with)) {}
};

// A name that name servers are asked for.
struct NameUnderWay {
  NameUnderWay(std::shared_ptr<LookupWork> of, size_t at, int again,
               std::shared_ptr<NameServers> asked)
      : work(std::move(of)),
        index(at),
        round(again),
        servers(std::move(asked)),
        walk(work->names[at], servers->config()),
        a(this),
        aaaa(this) {}

  const std::shared_ptr<LookupWork> work;
  const size_t index;
  const int round;
  const std::shared_ptr<NameServers> servers;  // those of the time when it was started
  NameWalk walk;
  Inquiry a, aaaa;
  size_t place = 0;  // where its owner keeps it
  bool aaaa_asked = false;
  bool crowded = false;  // many names were under way when it was asked for
};

}  // namespace portolan
