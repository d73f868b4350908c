#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/dns/lookup_work.h"
#include "common/dns/name_servers.h"
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
  // True: names have ended, so there may be room for others.
  bool ProcessServers();
  void Fill();
  void Deliver();
  Duration WaitTime() const;

  // False: the request has nothing to start now.
  bool StartOne(const std::shared_ptr<LookupWork>& work);
  bool StartOther(LookupWork& work, const std::shared_ptr<LookupWork>& shared);
  // Answers without asking a server, where that is possible.
  bool AnswerAtOnce(LookupWork& work, size_t index);
  void AskServers(const std::shared_ptr<LookupWork>& work, size_t index, int round);
  void AskBoth(NameUnderWay& name);
  void OnInquiry(Inquiry& inquiry);
  void EndName(NameUnderWay& name);
  // The name servers and files have no more to say. Other sources may.
  void Conclude(LookupWork& work, size_t index, NameAnswer answer);
  void OnOtherAnswer(OtherAnswer answer);
  // Names that count against the limit.
  size_t slots_taken() const;

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
  std::shared_ptr<NameServers> servers_;
  std::vector<std::shared_ptr<NameServers>> former_;  // until their questions have ended
  std::deque<std::shared_ptr<LookupWork>> turns_;     // requests that are not answered, in turn
  std::vector<std::unique_ptr<NameUnderWay>> names_;  // at their `place`
  size_t under_way_ = 0;                              // names of requests that somebody waits for
  size_t orphans_ = 0;                                // names of requests that were cancelled
  size_t other_under_way_ = 0;
  bool more_to_start_ = false;
  std::unique_ptr<OtherSources> other_;
  std::thread thread_;  // last
};

}  // namespace portolan
