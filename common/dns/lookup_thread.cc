#include "common/dns/lookup_thread.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "common/net/host_name.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

// How late a time-out may be noticed, and a name asked for again.
constexpr Duration kTick = std::chrono::milliseconds(20);
constexpr Duration kLookAtFiles = std::chrono::seconds(1);
// Names started before the sockets are looked at again.
constexpr size_t kStartsPerTurn = 512;
// While no server answers: names of each request that are asked for all the same.
constexpr size_t kAskedWhileDown = 64;
// A server that refuses while this many names are under way may have too many questions.
constexpr size_t kCrowd = 16;
// Such a name is asked for again after 250, 500 and 1,000 ms.
constexpr int kMaxRounds = 3;
constexpr Duration kAgainAfter = std::chrono::milliseconds(250);
// A request is told its progress about this often.
constexpr size_t kProgressSteps = 256;

std::vector<IpAddress> LoopbackAddresses() { return {IpAddress::V4(0x7f000001), IpAddress::V6(1)}; }

}  // namespace

class LookupThread::Handle final : public NameLookup::Request {
 public:
  Handle(SocketPoll& poll, std::shared_ptr<LookupShared> shared)
      : poll_(poll), shared_(std::move(shared)) {}
  ~Handle() override {
    Progress progress;
    Done done;
    {
      MutexLock lock(shared_->mu);  // waits for a callback that runs now
      std::swap(progress, shared_->progress);
      std::swap(done, shared_->done);
    }
    shared_->cancelled = true;
    if (done != nullptr) poll_.Wake();  // otherwise it was answered
  }

 private:
  SocketPoll& poll_;
  const std::shared_ptr<LookupShared> shared_;
};

LookupThread::LookupThread(SystemNameLookupOptions options, std::unique_ptr<SocketPoll> poll)
    : options_(std::move(options)),
      clock_(SystemClock()),
      poll_(std::move(poll)),
      files_(options_),
      other_(std::make_unique<OtherSources>(options_.max_other, options_.ask_system != nullptr
                                                                    ? options_.ask_system
                                                                    : &AskGetaddrinfo)) {
  servers_ =
      std::make_shared<NameServers>(files_.resolver(), *poll_, options_.max_names, clock_.Now());
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "names");
}

LookupThread::~LookupThread() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  poll_->Wake();
  thread_.join();
  other_.reset();
  // Before the inquiries that they know.
  servers_->Close();
  for (const std::shared_ptr<NameServers>& servers : former_) servers->Close();
  names_.clear();
}

std::unique_ptr<NameLookup::Request> LookupThread::Start(std::vector<std::string> names,
                                                         Progress progress, Done done) {
  auto shared = std::make_shared<LookupShared>();
  {
    MutexLock lock(shared->mu);
    shared->progress = std::move(progress);
    shared->done = std::move(done);
  }
  auto work = std::make_shared<LookupWork>(shared);
  work->names = std::move(names);
  work->answers.resize(work->names.size());
  {
    MutexLock lock(mu_);
    inbox_.push_back(std::move(work));
  }
  poll_->Wake();
  return std::make_unique<Handle>(*poll_, std::move(shared));
}

void LookupThread::Run() {
  while (true) {
    now_ = clock_.Now();
    {
      MutexLock lock(mu_);
      if (stopping_) return;
    }
    DropCancelled();
    RefreshFiles(TakeInbox());
    if (now_ - ticked_ >= kTick) {
      ticked_ = now_;
      servers_->Tick(now_);
      for (const std::shared_ptr<NameServers>& servers : former_) servers->Tick(now_);
    }
    ProcessServers();
    Fill();
    if (ProcessServers()) more_to_start_ = true;  // some could not even be sent
    Deliver();
    poll_->Wait(WaitTime());
  }
}

bool LookupThread::TakeInbox() {
  std::vector<std::shared_ptr<LookupWork>> arrived;
  std::vector<OtherAnswer> answers;
  {
    MutexLock lock(mu_);
    std::swap(arrived, inbox_);
    std::swap(answers, other_inbox_);
  }
  for (OtherAnswer& answer : answers) OnOtherAnswer(std::move(answer));
  // In front: they get their first turn before the others' next one.
  turns_.insert(turns_.begin(), arrived.begin(), arrived.end());
  return !arrived.empty();
}

void LookupThread::RefreshFiles(bool now_wanted) {
  if (!now_wanted && (turns_.empty() || now_ - files_checked_ < kLookAtFiles)) return;
  files_checked_ = now_;
  if (!files_.Refresh()) return;
  former_.push_back(std::move(servers_));
  servers_ = std::make_shared<NameServers>(files_.resolver(), *poll_, options_.max_names, now_);
}

void LookupThread::DropCancelled() {
  const size_t before = turns_.size();
  std::erase_if(turns_, [this](const std::shared_ptr<LookupWork>& work) {
    if (!work->shared->cancelled) return false;
    work->ended = true;
    // Their questions cannot be taken back; they end soon.
    under_way_ -= work->under_way;
    orphans_ += work->under_way;
    return true;
  });
  if (turns_.size() == before) return;
  for (const std::unique_ptr<NameUnderWay>& name : names_) {
    if (!name->work->ended) continue;
    name->a.NoMoreTries();
    name->aaaa.NoMoreTries();
  }
}

size_t LookupThread::slots_taken() const {
  // Names that nobody waits for any more may be as many again; beyond that they count, so that
  // starting and cancelling cannot pile up questions.
  return under_way_ + (orphans_ > options_.max_names ? orphans_ - options_.max_names : 0);
}

bool LookupThread::ProcessServers() {
  bool any = false;
  const auto finished = [this](Inquiry& inquiry) { OnInquiry(inquiry); };
  const auto process = [&](NameServers& servers) {
    while (servers.has_ended()) {
      any = true;
      servers.Process(now_, finished);
    }
  };
  process(*servers_);
  for (const std::shared_ptr<NameServers>& servers : former_) process(*servers);
  std::erase_if(former_, [](const auto& servers) { return !servers->open(); });
  return any;
}

void LookupThread::Fill() {
  size_t started = 0, in_vain = 0;
  while (!turns_.empty() && in_vain < turns_.size() && started < kStartsPerTurn) {
    std::shared_ptr<LookupWork> work = std::move(turns_.front());
    turns_.pop_front();
    turns_.push_back(work);
    const bool other = StartOther(*work, work);
    if (StartOne(work) || other) {
      ++started;
      in_vain = 0;
    } else {
      ++in_vain;
    }
  }
  more_to_start_ = started == kStartsPerTurn;
}

bool LookupThread::StartOne(const std::shared_ptr<LookupWork>& work) {
  const bool again = !work->again.empty() && work->again.front().at <= now_;
  if (!again && work->next == work->names.size()) return false;
  const size_t index = again ? work->again.front().index : work->next;
  if (!again && AnswerAtOnce(*work, index)) {
    ++work->next;
    return true;
  }
  const size_t limit = std::min(options_.max_names, servers_->limit(now_));
  if (!MayTakeSlot(work->under_way, slots_taken(), limit)) return false;
  const int round = again ? work->again.front().round : 0;
  if (again) {
    work->again.pop_front();
  } else {
    ++work->next;
  }
  AskServers(work, index, round);
  return true;
}

bool LookupThread::AnswerAtOnce(LookupWork& work, size_t index) {
  const std::string& name = work.names[index];
  NameAnswer answer;
  if (const literal::Problem problem = CheckHostName(name); !problem.empty()) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(name);
    if (address.ok()) {
      answer.addresses = {*address};
    } else {
      answer.problem = LookupProblem::kNoSuchName;
      answer.detail = problem;
    }
  } else if (const std::vector<IpAddress>* known =
                 files_.sources().files && !files_.sources().dns_first ? files_.hosts().Find(name)
                                                                       : nullptr;
             known != nullptr) {
    answer.addresses = *known;
  } else if (IsLocalhost(name)) {
    answer.addresses = LoopbackAddresses();
  } else if (!files_.sources().dns) {
    answer.problem = LookupProblem::kNoSuchName;
    answer.detail = fmt::format("{} asks no name server", options_.nsswitch);
    Conclude(work, index, std::move(answer));
    return true;
  } else if (servers_->down() && index >= kAskedWhileDown) {
    answer.problem = LookupProblem::kCouldNotAsk;
    answer.detail = servers_->DownDetail(now_);
    Conclude(work, index, std::move(answer));
    return true;
  } else {
    return false;
  }
  work.answers[index] = std::move(answer);
  ++work.done;
  return true;
}

void LookupThread::AskServers(const std::shared_ptr<LookupWork>& work, size_t index, int round) {
  auto owner = std::make_unique<NameUnderWay>(work, index, round, servers_);
  NameUnderWay& name = *owner;
  name.place = names_.size();
  names_.push_back(std::move(owner));
  ++work->under_way;
  ++under_way_;
  name.crowded = under_way_ >= kCrowd;
  AskBoth(name);
}

void LookupThread::AskBoth(NameUnderWay& name) {
  const ResolverConfig& config = name.servers->config();
  name.a.Rearm();
  name.aaaa.Rearm();
  name.servers->Start(name.a, name.walk.name(), DnsType::kA, now_);
  name.aaaa_asked = !config.no_aaaa && !config.one_by_one;
  if (name.aaaa_asked) name.servers->Start(name.aaaa, name.walk.name(), DnsType::kAaaa, now_);
}

void LookupThread::OnInquiry(Inquiry& inquiry) {
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
    name.servers->Start(name.aaaa, name.walk.name(), DnsType::kAaaa, now_);
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
    AskBoth(name);
    return;
  }
  EndName(name);
}

void LookupThread::EndName(NameUnderWay& name) {
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
    servers_->OnRefusedUnderLoad(now_);
    if (name.round < kMaxRounds) {
      const Time at = now_ + kAgainAfter * (1 << name.round);
      const auto before = std::upper_bound(
          work.again.begin(), work.again.end(), at,
          [](Time when, const LookupWork::Again& other) { return when < other.at; });
      work.again.insert(before, {at, name.index, name.round + 1});
      return;
    }
  }
  Conclude(work, name.index, name.walk.TakeAnswer());
}

void LookupThread::Conclude(LookupWork& work, size_t index, NameAnswer answer) {
  const HostSources& sources = files_.sources();
  const std::string& name = work.names[index];
  if (answer.problem.has_value() && sources.files && sources.dns_first) {
    if (const std::vector<IpAddress>* known = files_.hosts().Find(name); known != nullptr) {
      answer = NameAnswer{*known, std::nullopt, {}};
    }
  }
  const bool ask_others =
      answer.problem.has_value() &&
      (!servers_->config().unusable_servers.empty() ||
       (!sources.other.empty() && !SourcesThatMayKnow(sources, name, files_.host_name()).empty()));
  work.answers[index] = std::move(answer);
  if (ask_others) {
    work.other.push_back(index);
  } else {
    ++work.done;
  }
}

bool LookupThread::StartOther(LookupWork& work, const std::shared_ptr<LookupWork>& shared) {
  if (work.other.empty()) return false;
  if (!MayTakeSlot(work.other_under_way, other_under_way_, options_.max_other)) return false;
  const size_t index = work.other.front();
  work.other.pop_front();
  ++work.other_under_way;
  ++other_under_way_;
  other_->Ask(work.names[index], [this, shared, index](NameAnswer answer) {
    {
      MutexLock lock(mu_);
      other_inbox_.push_back({shared, index, std::move(answer)});
    }
    poll_->Wake();
  });
  return true;
}

void LookupThread::OnOtherAnswer(OtherAnswer other) {
  LookupWork& work = *other.work;
  --other_under_way_;
  --work.other_under_way;
  if (work.ended) return;
  NameAnswer& answer = work.answers[other.index];
  if (!other.answer.problem.has_value()) {
    answer = std::move(other.answer);
  } else if (other.answer.problem == LookupProblem::kCouldNotAsk) {
    // One that may know it could not be asked: whether the name exists is open.
    if (!answer.detail.empty()) answer.detail += "; ";
    answer.problem = LookupProblem::kCouldNotAsk;
    answer.detail +=
        fmt::format("{}: {}", fmt::join(files_.sources().other, ", "), other.answer.detail);
  }
  ++work.done;
}

void LookupThread::Deliver() {
  std::erase_if(turns_, [](const std::shared_ptr<LookupWork>& work) {
    const size_t step = std::max<size_t>(1, work->names.size() / kProgressSteps);
    const bool all = work->done == work->names.size();
    if (!all && work->done < work->reported + step) return false;
    work->reported = work->done;
    MutexLock lock(work->shared->mu);
    if (work->shared->progress != nullptr) work->shared->progress(work->done);
    if (!all) return false;
    work->ended = true;
    if (work->shared->done != nullptr) {
      std::exchange(work->shared->done, nullptr)(std::move(work->answers));
    }
    return true;
  });
}

Duration LookupThread::WaitTime() const {
  if (more_to_start_ || servers_->has_ended()) return Duration::zero();
  const bool busy = !turns_.empty() || servers_->open() || !former_.empty();
  return busy ? kTick : Duration(-1);
}

absl::StatusOr<std::unique_ptr<NameLookup>> MakeSystemNameLookup(SystemNameLookupOptions options) {
  absl::StatusOr<std::unique_ptr<SocketPoll>> poll = SocketPoll::Create();
  if (!poll.ok()) return poll.status();
  return std::unique_ptr<NameLookup>(
      std::make_unique<LookupThread>(std::move(options), *std::move(poll)));
}

}  // namespace portolan
