#include "common/dns/name_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/counted.h"

namespace portolan {
namespace {

// How a try failed, in one byte: one of these, or kCode + the response code.
constexpr uint8_t kNotTried = 0, kNoAnswer = 1, kUnreachable = 2, kUnreadable = 3, kCode = 16;

// A server that was silent this often is asked after the others, except once per period.
constexpr uint32_t kSilentTries = 3;
constexpr Duration kTryFirstEvery = std::chrono::seconds(5);

// So many tries without any answer, over at least one time limit, put all servers in question.
constexpr uint64_t kSilentInQuestion = 64;
constexpr Duration kCanaryEvery = std::chrono::seconds(1);

constexpr double kMinLimit = 32;
// One cut per burst of refusals; the server works on what it has meanwhile.
constexpr Duration kHoldAfterCut = std::chrono::milliseconds(50);

std::string Seconds(Duration d) { return fmt::format("{:g} s", ToSeconds(d)); }

}  // namespace

void Inquiry::Ended(End end, std::string_view message) {
  if (end == End::kShutDown) return;
  end_ = end;
  readable_ = false;
  if (end == End::kReply) {
    absl::StatusOr<DnsReply> reply = ParseDnsReply(message, *name_, type_);
    readable_ = reply.ok();
    if (readable_) reply_ = *std::move(reply);
  }
  servers_->ended_.push_back(this);
}

void NameServers::Canary::Ended(End end, std::string_view /*message*/) {
  under_way = false;
  answered = end == End::kReply;
}

NameServers::NameServers(std::shared_ptr<const ResolverConfig> config, SocketPoll& poll,
                         size_t max_names, Time now)
    : config_(std::move(config)),
      max_limit_(static_cast<double>(max_names)),
      health_(config_->servers.size()),
      canaries_(config_->servers.size()),
      limit_(max_limit_),
      last_answer_(now) {
  for (const NameServer& server : config_->servers) {
    if (links_.size() == kMaxNameServers) break;
    links_.push_back(std::make_unique<ServerLink>(server, *config_, poll));
  }
}

NameServers::~NameServers() { Close(); }

void NameServers::Close() {
  links_.clear();
  ended_.clear();
}

bool NameServers::open() const {
  return !ended_.empty() || std::any_of(links_.begin(), links_.end(),
                                        [](const auto& l) { return l->open_questions() > 0; });
}

void NameServers::Start(Inquiry& inquiry, const std::string& name, DnsType type, Time now) {
  inquiry.servers_ = this;
  inquiry.name_ = &name;
  inquiry.type_ = type;
  SetOrder(inquiry, now);
  inquiry.failures_.fill(kNotTried);
  inquiry.tries_ = 0;
  inquiry.under_way_ = true;
  AskNext(inquiry);
}

void NameServers::SetOrder(Inquiry& inquiry, Time now) {
  const size_t count = links_.size();
  const size_t first = config_->rotate ? next_first_++ : 0;
  for (size_t i = 0; i < count; ++i) {
    inquiry.order_[i] = static_cast<uint8_t>((first + i) % count);
  }
  if (count < 2) return;
  std::stable_partition(inquiry.order_.begin(), inquiry.order_.begin() + count,
                        [&](uint8_t server) {
                          Health& health = health_[server];
                          if (health.silent < kSilentTries) return true;
                          if (now - health.tried_first < kTryFirstEvery) return false;
                          health.tried_first = now;
                          return true;
                        });
}

void NameServers::AskNext(Inquiry& inquiry) {
  if (links_.empty()) {
    inquiry.end_ = ServerQuestion::End::kUnreachable;
    ended_.push_back(&inquiry);
    return;
  }
  const uint8_t server = inquiry.order_[inquiry.tries_ % links_.size()];
  ++inquiry.tries_;
  links_[server]->Ask(*inquiry.name_, static_cast<uint16_t>(inquiry.type_), inquiry);
}

void NameServers::Process(Time now, const std::function<void(Inquiry&)>& finished) {
  // Asking may end questions at once; those are for the next call.
  std::vector<Inquiry*> ended = std::exchange(ended_, {});
  for (Inquiry* inquiry : ended) {
    if (!Settle(*inquiry, now)) continue;
    inquiry->under_way_ = false;
    finished(*inquiry);
  }
}

bool NameServers::Settle(Inquiry& inquiry, Time now) {
  using End = ServerQuestion::End;
  using Kind = FamilyResult::Kind;
  if (links_.empty()) {
    inquiry.result_.kind = Kind::kNoAnswer;
    inquiry.result_.detail = "no name server is configured that can be asked";
    return true;
  }
  if (inquiry.end_ == End::kCannotAsk) {
    inquiry.result_.kind = Kind::kNoSuchName;
    return true;
  }
  const uint8_t server = inquiry.order_[(inquiry.tries_ - 1) % links_.size()];
  uint8_t& failure = inquiry.failures_[server];
  if (inquiry.end_ == End::kReply) {
    OnAnswer(server, now);
    const uint8_t code = inquiry.readable_ ? inquiry.reply_.code : 0;
    if (inquiry.readable_ && (code == kDnsNoError || code == kDnsNxDomain)) {
      FamilyResult& result = inquiry.result_;
      result.addresses = std::move(inquiry.reply_.addresses);
      result.alias_of = std::move(inquiry.reply_.alias_of);
      result.kind = !result.addresses.empty() ? Kind::kAddresses
                    : code == kDnsNoError     ? Kind::kNoAddress
                                              : Kind::kNoSuchName;
      limit_ = std::min(max_limit_, limit_ + 1 / limit_);
      return true;
    }
    failure = inquiry.readable_ ? static_cast<uint8_t>(kCode + code) : kUnreadable;
  } else {
    failure = inquiry.end_ == End::kNoAnswer ? kNoAnswer : kUnreachable;
    ++health_[server].silent;
    ++silent_;
  }
  size_t max_tries = links_.size() * static_cast<size_t>(config_->attempts);
  if (inquiry.few_tries_) max_tries = std::min(max_tries, std::max<size_t>(2, links_.size()));
  if (inquiry.tries_ < max_tries && !inquiry.no_more_tries_ && !down_) {
    AskNext(inquiry);
    return false;
  }
  FinishFailed(inquiry);
  return true;
}

void NameServers::FinishFailed(Inquiry& inquiry) {
  FamilyResult& result = inquiry.result_;
  result.kind = FamilyResult::Kind::kServerFailed;
  inquiry.refused_ = true;
  const size_t rounds = (inquiry.tries_ + links_.size() - 1) / links_.size();
  for (size_t i = 0; i < links_.size(); ++i) {
    const uint8_t server = inquiry.order_[i];
    const uint8_t failure = inquiry.failures_[server];
    if (failure == kNotTried) continue;
    if (failure != kCode + kDnsRefused) inquiry.refused_ = false;
    if (!result.detail.empty()) result.detail += "; ";
    const std::string name = config_->servers[server].ToString();
    if (failure == kNoAnswer) {
      result.kind = FamilyResult::Kind::kNoAnswer;
      fmt::format_to(std::back_inserter(result.detail), "no answer from {} within {}", name,
                     Seconds(config_->timeout));
      if (rounds > 1)
        fmt::format_to(std::back_inserter(result.detail), ", asked {}",
                       Counted(static_cast<uint64_t>(rounds), "time", "times"));
    } else if (failure == kUnreachable) {
      result.kind = FamilyResult::Kind::kNoAnswer;
      fmt::format_to(std::back_inserter(result.detail), "name server {} cannot be reached", name);
    } else if (failure == kUnreadable) {
      fmt::format_to(std::back_inserter(result.detail), "the answer of {} cannot be read", name);
    } else {
      fmt::format_to(std::back_inserter(result.detail), "{} from {}", DnsCodeName(failure - kCode),
                     name);
    }
  }
}

void NameServers::OnRefusedUnderLoad(Time now) {
  if (now < hold_until_) return;
  hold_until_ = now + kHoldAfterCut;
  limit_ = std::max(std::min(kMinLimit, max_limit_), limit_ / 2);
}

void NameServers::OnAnswer(uint8_t server, Time now) {
  health_[server].silent = 0;
  silent_ = 0;
  last_answer_ = now;
  down_ = false;
}

void NameServers::Tick(Time now) {
  for (const std::unique_ptr<ServerLink>& link : links_) link->CheckTimeouts();
  CheckDown(now);
}

void NameServers::CheckDown(Time now) {
  bool under_way = false;
  for (size_t i = 0; i < links_.size(); ++i) {
    under_way = under_way || canaries_[i].under_way;
    if (std::exchange(canaries_[i].answered, false)) OnAnswer(static_cast<uint8_t>(i), now);
  }
  const bool in_question = silent_ >= kSilentInQuestion && now - last_answer_ >= config_->timeout;
  if (!in_question) canaries_sent_ = false;
  if (under_way || !in_question) return;
  if (canaries_sent_) down_ = true;  // and none of them was answered
  if (now < next_canary_) return;
  next_canary_ = now + kCanaryEvery;
  canaries_sent_ = true;
  for (size_t i = 0; i < links_.size(); ++i) {
    canaries_[i].under_way = true;
    links_[i]->Ask(".", ServerLink::kTypeNs, canaries_[i]);
  }
}

std::string NameServers::DownDetail(Time now) const {
  std::string names;
  for (const NameServer& server : config_->servers) {
    if (!names.empty()) names += ", ";
    names += server.ToString();
  }
  return fmt::format("no answer from {} for {} s, so this name was not asked for", names,
                     static_cast<int64_t>(ToSeconds(now - last_answer_)));
}

}  // namespace portolan
