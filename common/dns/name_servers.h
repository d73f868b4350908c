#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/dns/dns_message.h"
#include "common/dns/name_walk.h"
#include "common/dns/resolver_config.h"
#include "common/dns/server_link.h"
#include "common/dns/socket_poll.h"

namespace portolan {

class NameServers;

// Of more only the first ones are asked; resolv.conf has three.
inline constexpr size_t kMaxNameServers = 8;

// One name and one type of address, asked for at one server after the other until one answers.
class Inquiry final : public ServerQuestion {
 public:
  // `owner` is for who gets it back.
  explicit Inquiry(void* owner) : owner_(owner) {}

  void* owner() const { return owner_; }
  // Forgets everything about the name before. Not while it is under way.
  void Rearm() {
    no_more_tries_ = few_tries_ = refused_ = false;
    result_ = {};
  }
  // What is under way ends; no other server, and none again, is asked then.
  void NoMoreTries() { no_more_tries_ = true; }
  // Each server is asked once; a single one, twice, as a datagram may be lost.
  void FewTries() { few_tries_ = true; }
  bool under_way() const { return under_way_; }
  // Valid once it is finished.
  FamilyResult& result() { return result_; }
  // Every server answered REFUSED: some do when they have too many questions.
  bool refused() const { return refused_; }

 private:
  friend class NameServers;
  void Ended(End end, std::string_view message) override;

  void* const owner_;
  NameServers* servers_ = nullptr;
  const std::string* name_ = nullptr;
  DnsType type_ = DnsType::kA;
  std::array<uint8_t, kMaxNameServers> order_{};     // of servers
  std::array<uint8_t, kMaxNameServers> failures_{};  // by server: how its last try failed
  size_t tries_ = 0;
  bool no_more_tries_ = false, few_tries_ = false, under_way_ = false, refused_ = false;
  // The try that ended last.
  End end_ = End::kNoAnswer;
  bool readable_ = false;
  DnsReply reply_;
  FamilyResult result_;
};

// The name servers of one configuration: which is asked, how often, and whether they answer at all.
// Not thread-safe; owned by the thread that waits with the SocketPoll, which must outlive this.
class NameServers {
 public:
  // `max_names` bounds limit().
  NameServers(std::shared_ptr<const ResolverConfig> config, SocketPoll& poll, size_t max_names,
              Time now);
  ~NameServers();  // Close()
  NameServers(const NameServers&) = delete;
  NameServers& operator=(const NameServers&) = delete;

  // Starts an inquiry that is new or was rearmed. Neither it nor `name` may be destroyed while it
  // is under way.
  void Start(Inquiry& inquiry, const std::string& name, DnsType type, Time now);
  // Calls `finished` with each inquiry that has finished since the last call; it may start it
  // again, or destroy it.
  void Process(Time now, const std::function<void(Inquiry&)>& finished);
  // Ends what has waited too long. To be called every few milliseconds while open().
  void Tick(Time now);

  // Drops all questions: inquiries under way are never returned, and may be destroyed.
  void Close();

  // Questions are with a server, or ended and not processed.
  bool open() const;
  bool has_ended() const { return !ended_.empty(); }

  // How many names should be under way at most: fewer after a server refused to answer while many
  // were (additive increase, multiplicative decrease), and none for a moment after each cut.
  size_t limit(Time now) const { return now < hold_until_ ? 0 : static_cast<size_t>(limit_); }
  void OnRefusedUnderLoad(Time now);

  // No server has answered anything for a while, not even a question about the root, which each
  // answers in some way. Asking for thousands of names more is pointless until one does.
  bool down() const { return down_; }
  std::string DownDetail(Time now) const;

  const ResolverConfig& config() const { return *config_; }

 private:
  friend class Inquiry;
  struct Health {
    uint32_t silent = 0;  // tries without an answer since the last answer
    Time tried_first{};   // last asked first although it is silent
  };
  // Asks one server about the root.
  struct Canary final : ServerQuestion {
    void Ended(End end, std::string_view message) override;
    bool under_way = false, answered = false;
  };

  void SetOrder(Inquiry& inquiry, Time now);
  void AskNext(Inquiry& inquiry);
  // True: it is finished.
  bool Settle(Inquiry& inquiry, Time now);
  void FinishFailed(Inquiry& inquiry);
  void OnAnswer(uint8_t server, Time now);
  void CheckDown(Time now);

  const std::shared_ptr<const ResolverConfig> config_;
  const double max_limit_;
  std::vector<Health> health_;
  std::vector<Canary> canaries_;
  std::vector<Inquiry*> ended_;
  double limit_;
  Time hold_until_{};
  size_t next_first_ = 0;  // for `rotate`
  Time last_answer_;
  uint64_t silent_ = 0;  // tries without an answer since the last answer of any server
  bool down_ = false;
  bool canaries_sent_ = false;  // since the servers are in question
  Time next_canary_{};
  std::vector<std::unique_ptr<ServerLink>> links_;  // last: their end touches the others
};

}  // namespace portolan
