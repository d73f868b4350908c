#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/dns/lookup_work.h"
#include "common/dns/name_servers.h"
#include "common/dns/socket_poll.h"

namespace portolan {

// The names that name servers are being asked for, over all requests, and the servers that are
// asked: those of the newest configuration, and former ones until their questions have ended. Keeps
// to a limit on names under way, and asks again later for names that a crowded server refused.
// Not thread-safe; owned by the thread that waits with the SocketPoll, which must outlive this.
class NamesAtServers {
 public:
  // What the servers say about a name of a request that is still wanted.
  using Answered = std::function<void(LookupWork& work, size_t index, NameAnswer answer)>;

  NamesAtServers(std::shared_ptr<const ResolverConfig> config, SocketPoll& poll, size_t max_names,
                 Time now, Answered answered);
  ~NamesAtServers();
  NamesAtServers(const NamesAtServers&) = delete;
  NamesAtServers& operator=(const NamesAtServers&) = delete;

  // Asks these servers from now on.
  void UseConfig(std::shared_ptr<const ResolverConfig> config, Time now);
  const ResolverConfig& config() const { return servers_->config(); }
  // See NameServers.
  bool down() const { return servers_->down(); }
  std::string DownDetail(Time now) const { return servers_->DownDetail(now); }

  // Whether the request may have one more name under way.
  bool HasRoom(const LookupWork& work, Time now) const;
  // Asks for one of its names. `round`: how often that was refused before.
  void Ask(const std::shared_ptr<LookupWork>& work, size_t index, int round, Time now);
  // A request was cancelled: its names end without an answer, as questions cannot be taken back.
  // Followed by ForgetCancelled(), once for all.
  void Cancel(LookupWork& work);
  void ForgetCancelled();

  // Ends questions that have waited too long. To be called every few milliseconds while busy().
  void Tick(Time now);
  // Takes in what the servers said. True: names have ended, so there may be room for others.
  bool Process(Time now);
  bool has_ended() const { return servers_->has_ended(); }
  bool busy() const { return servers_->open() || !former_.empty(); }

 private:
  void AskBoth(NameUnderWay& name, Time now);
  void OnInquiry(Inquiry& inquiry, Time now);
  void EndName(NameUnderWay& name, Time now);
  size_t slots_taken() const;  // names that count against the limit

  SocketPoll& poll_;
  const size_t max_names_;
  const Answered answered_;
  std::shared_ptr<NameServers> servers_;
  std::vector<std::shared_ptr<NameServers>> former_;  // until their questions have ended
  std::vector<std::unique_ptr<NameUnderWay>> names_;  // at their `place`
  size_t under_way_ = 0;                              // names of requests that somebody waits for
  size_t orphans_ = 0;                                // names of requests that were cancelled
};

}  // namespace portolan
