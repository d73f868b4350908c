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
      at_servers_(files_.resolver(), *poll_, options_.max_names, clock_.Now(),
                  [this](LookupWork& work, size_t index, NameAnswer answer) {
                    Conclude(work, index, std::move(answer));
                  }),
      other_(std::make_unique<OtherSources>(options_.max_other, options_.ask_system != nullptr
                                                                    ? options_.ask_system
                                                                    : &AskGetaddrinfo)) {
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
      at_servers_.Tick(now_);
    }
    at_servers_.Process(now_);
    Fill();
    if (at_servers_.Process(now_)) more_to_start_ = true;  // some could not even be sent
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
  at_servers_.UseConfig(files_.resolver(), now_);
}

void LookupThread::DropCancelled() {
  const size_t before = turns_.size();
  std::erase_if(turns_, [this](const std::shared_ptr<LookupWork>& work) {
    if (!work->shared->cancelled) return false;
    at_servers_.Cancel(*work);
    return true;
  });
  if (turns_.size() != before) at_servers_.ForgetCancelled();
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
  if (!at_servers_.HasRoom(*work, now_)) return false;
  const int round = again ? work->again.front().round : 0;
  if (again) {
    work->again.pop_front();
  } else {
    ++work->next;
  }
  at_servers_.Ask(work, index, round, now_);
  return true;
}

bool LookupThread::AnswerAtOnce(LookupWork& work, size_t index) {
  const std::string& name = work.names[index];
  NameAnswer answer;
  const HostSources& sources = files_.sources();
  const bool system_decides = SystemDecides(sources, name, files_.host_name());
  const bool files_first =
      sources.files && !sources.dns_first && !(system_decides && sources.deciding_first);
  if (const literal::Problem problem = CheckHostName(name); !problem.empty()) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(name);
    if (address.ok()) {
      answer.addresses = {*address};
    } else {
      answer.problem = LookupProblem::kNoSuchName;
      answer.detail = problem;
    }
  } else if (const std::vector<IpAddress>* known =
                 files_first ? files_.hosts().Find(name) : nullptr;
             known != nullptr) {
    answer.addresses = *known;
  } else if (IsLocalhost(name)) {
    answer.addresses = LoopbackAddresses();
  } else if (system_decides) {
    work.answers[index].problem = LookupProblem::kNoSuchName;  // unless the system knows it
    work.other.push_back(index);
    return true;
  } else if (!sources.dns) {
    answer.problem = LookupProblem::kNoSuchName;
    answer.detail = fmt::format("{} asks no name server", options_.nsswitch);
    Conclude(work, index, std::move(answer));
    return true;
  } else if (at_servers_.down() && index >= kAskedWhileDown) {
    answer.problem = LookupProblem::kCouldNotAsk;
    answer.detail = at_servers_.DownDetail(now_);
    Conclude(work, index, std::move(answer));
    return true;
  } else {
    return false;
  }
  work.answers[index] = std::move(answer);
  ++work.done;
  return true;
}

void LookupThread::Conclude(LookupWork& work, size_t index, NameAnswer answer) {
  const HostSources& sources = files_.sources();
  const std::string& name = work.names[index];
  const bool ends =
      sources.dns && answer.problem.has_value() && EndsSearch(sources, *answer.problem);
  if (answer.problem.has_value() && !ends && sources.files && sources.dns_first) {
    if (const std::vector<IpAddress>* known = files_.hosts().Find(name); known != nullptr) {
      answer = NameAnswer{*known, std::nullopt, {}};
    }
  }
  const bool ask_others = answer.problem.has_value() &&
                          (!at_servers_.config().unusable_servers.empty() ||
                           (!sources.other.empty() &&
                            !SourcesThatMayKnow(sources, name, files_.host_name(), ends).empty()));
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
  if (more_to_start_ || at_servers_.has_ended()) return Duration::zero();
  const bool busy = !turns_.empty() || at_servers_.busy();
  return busy ? kTick : Duration(-1);
}

absl::StatusOr<std::unique_ptr<NameLookup>> MakeSystemNameLookup(SystemNameLookupOptions options) {
  absl::StatusOr<std::unique_ptr<SocketPoll>> poll = SocketPoll::Create();
  if (!poll.ok()) return poll.status();
  return std::unique_ptr<NameLookup>(
      std::make_unique<LookupThread>(std::move(options), *std::move(poll)));
}

}  // namespace portolan
