#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/dns/lookup_work.h"
#include "common/dns/names_at_servers.h"
#include "common/dns/other_sources.h"
#include "common/dns/socket_poll.h"
#include "common/dns/system_files.h"
#include "common/dns/system_name_lookup.h"

namespace portolan {

// The thread behind MakeSystemNameLookup(). Serves requests in turn, one name each.
class LookupThread final : public NameLookup {
 public:
  LookupThread(SystemNameLookupOptions options, std::unique_ptr<SocketPoll> poll);
  ~LookupThread() override;

  std::unique_ptr<Request> Start(std::vector<std::string> names, Progress progress,
                                 Done done) override EXCLUDES(mu_);

 private:
  class Handle;
  struct OtherAnswer {
    std::shared_ptr<LookupWork> work;
    size_t index;
    NameAnswer answer;
  };

  void Run() EXCLUDES(mu_);
  // The steps of one turn of the loop.
  bool TakeInbox() EXCLUDES(mu_);
  void RefreshFiles(bool now_wanted);
  void DropCancelled();
  void Fill();
  void Deliver();
  Duration WaitTime() const;

  // False: the request has nothing to start now.
  bool StartOne(const std::shared_ptr<LookupWork>& work);
  bool StartOther(LookupWork& work, const std::shared_ptr<LookupWork>& shared);
  // Answers without asking a server, where that is possible.
  bool AnswerAtOnce(LookupWork& work, size_t index);
  // The name servers and files have no more to say. Other sources may.
  void Conclude(LookupWork& work, size_t index, NameAnswer answer);
  void OnOtherAnswer(OtherAnswer answer);

  // Constant.
  const SystemNameLookupOptions options_;
  const Clock& clock_;
  const std::unique_ptr<SocketPoll> poll_;  // Wake() is thread-safe; the rest is the thread's
  // Guarded.
  Mutex mu_;
  std::vector<std::shared_ptr<LookupWork>> inbox_ GUARDED_BY(mu_);
  std::vector<OtherAnswer> other_inbox_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  // The thread's own.
  Time now_{};
  SystemFiles files_;
  Time files_checked_{}, ticked_{};
  NamesAtServers at_servers_;
  std::deque<std::shared_ptr<LookupWork>> turns_;  // requests that are not answered, in turn
  size_t other_under_way_ = 0;
  bool more_to_start_ = false;
  std::unique_ptr<OtherSources> other_;
  std::thread thread_;  // last
};

}  // namespace portolan
