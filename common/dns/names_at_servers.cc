#include "common/dns/names_at_servers.h"

#include <algorithm>
#include <utility>

namespace portolan {
namespace {

// A server that refuses while this many names are under way may have too many questions.
constexpr size_t kCrowd = 16;
// Such a name is asked for again after 250, 500 and 1,000 ms.
constexpr int kMaxRounds = 3;
constexpr Duration kAgainAfter = std::chrono::milliseconds(250);

}  // namespace

NamesAtServers::NamesAtServers(std::shared_ptr<const ResolverConfig> config, SocketPoll& poll,
                               size_t max_names, Time now, Answered answered)
    : poll_(poll),
      max_names_(max_names),
      answered_(std::move(answered)),
      servers_(std::make_shared<NameServers>(std::move(config), poll, max_names, now)) {}

NamesAtServers::~NamesAtServers() {
  // Before the inquiries that they know.
  servers_->Close();
  for (const std::shared_ptr<NameServers>& servers : former_) servers->Close();
  names_.clear();
}

void NamesAtServers::UseConfig(std::shared_ptr<const ResolverConfig> config, Time now) {
  former_.push_back(std::move(servers_));
  servers_ = std::make_shared<NameServers>(std::move(config), poll_, max_names_, now);
}

void NamesAtServers::Tick(Time now) {
  servers_->Tick(now);
  for (const std::shared_ptr<NameServers>& servers : former_) servers->Tick(now);
}

size_t NamesAtServers::slots_taken() const {
  // Names that nobody waits for any more may be as many again; beyond that they count, so that
  // starting and cancelling cannot pile up questions.
  return under_way_ + (orphans_ > max_names_ ? orphans_ - max_names_ : 0);
}

bool NamesAtServers::HasRoom(const LookupWork& work, Time now) const {
  return MayTakeSlot(work.under_way, slots_taken(), std::min(max_names_, servers_->limit(now)));
}

bool NamesAtServers::Process(Time now) {
  bool any = false;
  const auto finished = [this, now](Inquiry& inquiry) { OnInquiry(inquiry, now); };
  const auto process = [&](NameServers& servers) {
    while (servers.has_ended()) {
      any = true;
      servers.Process(now, finished);
    }
  };
  process(*servers_);
  for (const std::shared_ptr<NameServers>& servers : former_) process(*servers);
  std::erase_if(former_, [](const auto& servers) { return !servers->open(); });
  return any;
}

void NamesAtServers::Ask(const std::shared_ptr<LookupWork>& work, size_t index, int round,
                         Time now) {
  auto owner = std::make_unique<NameUnderWay>(work, index, round, servers_);
  NameUnderWay& name = *owner;
  name.place = names_.size();
  names_.push_back(std::move(owner));
  ++work->under_way;
  ++under_way_;
  name.crowded = under_way_ >= kCrowd;
  AskBoth(name, now);
}

void NamesAtServers::Cancel(LookupWork& work) {
  work.ended = true;
  under_way_ -= work.under_way;
  orphans_ += work.under_way;
}

void NamesAtServers::ForgetCancelled() {
  for (const std::unique_ptr<NameUnderWay>& name : names_) {
    if (!name->work->ended) continue;
    name->a.NoMoreTries();
    name->aaaa.NoMoreTries();
  }
}

void NamesAtServers::AskBoth(NameUnderWay& name, Time now) {
  const ResolverConfig& config = name.servers->config();
  name.a.Rearm();
  name.aaaa.Rearm();
  name.servers->Start(name.a, name.walk.name(), DnsType::kA, now);
  name.aaaa_asked = !config.no_aaaa && !config.one_by_one;
  if (name.aaaa_asked) name.servers->Start(name.aaaa, name.walk.name(), DnsType::kAaaa, now);
}

void NamesAtServers::OnInquiry(Inquiry& inquiry, Time now) {
  NameUnderWay& name = *static_cast<NameUnderWay*>(inquiry.owner());
  const bool wanted = !name.work->ended;
  const FamilyResult::Kind kind = inquiry.result().kind;
  // One family's addresses are enough, and a name that does not exist has none of either.
  Inquiry& sibling = &inquiry == &name.a ? name.aaaa : name.a;
  if (!wanted || kind == FamilyResult::Kind::kNoSuchName) sibling.NoMoreTries();
  if (kind == FamilyResult::Kind::kAddresses) sibling.FewTries();
  if (sibling.under_way()) return;
  if (wanted && !name.aaaa_asked && !name.servers->config().no_aaaa &&
      kind != FamilyResult::Kind::kNoSuchName) {
    name.aaaa_asked = true;
    name.servers->Start(name.aaaa, name.walk.name(), DnsType::kAaaa, now);
    return;
  }
  FamilyResult aaaa;
  if (name.aaaa_asked) {
    aaaa = std::move(name.aaaa.result());
  } else if (name.a.result().kind == FamilyResult::Kind::kNoSuchName) {
    aaaa.kind = FamilyResult::Kind::kNoSuchName;  // of any type
  }
  name.walk.Take(std::move(name.a.result()), std::move(aaaa));
  if (wanted && !name.walk.done()) {
    AskBoth(name, now);
    return;
  }
  EndName(name, now);
}

void NamesAtServers::EndName(NameUnderWay& name, Time now) {
  std::swap(names_[name.place], names_.back());
  names_[name.place]->place = name.place;
  const std::unique_ptr<NameUnderWay> owner = std::move(names_.back());
  names_.pop_back();
  LookupWork& work = *name.work;
  if (work.ended) {
    --orphans_;
    return;
  }
  --work.under_way;
  --under_way_;
  const bool refused = name.a.refused() || name.aaaa.refused();
  if (refused && name.crowded) {
    servers_->OnRefusedUnderLoad(now);
    if (name.round < kMaxRounds) {
      const Time at = now + kAgainAfter * (1 << name.round);
      const auto before = std::upper_bound(
          work.again.begin(), work.again.end(), at,
          [](Time when, const LookupWork::Again& other) { return when < other.at; });
      work.again.insert(before, {at, name.index, name.round + 1});
      return;
    }
  }
  answered_(work, name.index, name.walk.TakeAnswer());
}

}  // namespace portolan
