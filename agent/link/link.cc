#include "agent/link/link.h"

#include <algorithm>
#include <utility>

#include "agent/link/order.h"
#include "agent/link/sync_convert.h"
#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/ops/log.h"
#include "common/scan/permutation.h"

namespace portolan {
namespace {

constexpr Duration kStuckAfter = std::chrono::seconds(30);

AgentControlOptions OptionsOf(const LinkOptions& options, size_t threads, size_t coordinators) {
  AgentControlOptions out;
  out.threads = threads;
  out.coordinators = coordinators;
  out.max_rate = options.max_rate;
  out.seed = options.seed;
  return out;
}

}  // namespace

Link::Link(LinkOptions options, CoordinatorClient& client, std::vector<ProbeThread*> threads,
           Spool& spool, const Clock& clock)
    : options_(std::move(options)),
      client_(client),
      threads_(std::move(threads)),
      spool_(spool),
      clock_(clock),
      control_(OptionsOf(options_, threads_.size(), client.coordinators())),
      heartbeat_ns_(clock.Now().time_since_epoch().count()),
      scope_(options_.scope) {
  reporter_ = std::make_unique<Reporter>(
      Reporter::Options{options_.name, options_.incarnation, options_.seed + 1}, client_, spool_,
      [this](const std::vector<Token>& tokens) {
        MutexLock lock(mu_);
        fenced_.insert(fenced_.end(), tokens.begin(), tokens.end());
        changed_.NotifyAll();
      });
  thread_ = std::thread([this] { Run(); });
}

Link::~Link() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
  reporter_.reset();
  client_.CancelSynchronize();
  MutexLock lock(mu_);
  while (calling_) changed_.Wait(mu_);
}

void Link::Run() {
  CarryOutOrders();
  while (TakeEvents()) {
    heartbeat_ns_ = clock_.Now().time_since_epoch().count();
    CarryOutOrders();
    Look();
    CarryOutOrders();
    const Time now = clock_.Now();
    const AgentControl::Step step = gone_ ? AgentControl::Step::kWait : control_.Next(now);
    std::optional<AgentControl::Ask> ask;
    if (step == AgentControl::Step::kCall) ask = control_.BeginCall(now);
    // First: whoever sees the call also sees what led to it.
    Publish();
    if (ask.has_value()) Call(*ask);
    if (step == AgentControl::Step::kCancel) {
      cancelled_ = true;
      client_.CancelSynchronize();
    }
    const Duration wait = gone_ ? std::chrono::milliseconds(500) : control_.WakeAt(now) - now;
    MutexLock lock(mu_);
    if (!stop_ && !answer_.has_value() && fenced_.empty() && drain_ == draining_) {
      changed_.WaitFor(mu_, std::max<Duration>(wait, std::chrono::milliseconds(1)));
    }
  }
}

bool Link::TakeEvents() {
  std::optional<Answer> answer;
  std::vector<Token> fenced;
  bool drain = false;
  {
    MutexLock lock(mu_);
    if (stop_) return false;
    answer = std::exchange(answer_, std::nullopt);
    fenced = std::exchange(fenced_, {});
    drain = drain_;
  }
  draining_ = drain;
  if (drain) control_.StartDrain();
  if (!fenced.empty()) control_.OnFenced(fenced);
  if (answer.has_value()) HandleAnswer(*answer);
  return true;
}

void Link::HandleAnswer(const Answer& answer) {
  const Time now = clock_.Now();
  const bool ours = std::exchange(cancelled_, false);
  absl::Status status = answer.status;
  if (ours && status.code() == absl::StatusCode::kCancelled) {
    ++cancels_;
    control_.OnCancelled(now);
    return;
  }
  const std::string coordinator = client_.address(control_.coordinator());
  if (status.ok()) {
    std::vector<std::string> problems;
    const auto desired = FromProto(answer.response, control_.state(), problems);
    for (const std::string& p : problems)
      Log(LogLevel::kError, "scan cannot be probed here", {{"error", p}});
    if (desired.ok() && desired->wait > Duration::zero()) {
      if (!std::exchange(waiting_, true)) {
        Log(LogLevel::kWarning, "waiting: another process has called under this name",
            {{"agent", options_.name}, {"coordinator", coordinator}});
      }
      connected_ = false;
      control_.OnWait(desired->wait, now);
      return;
    }
    if (desired.ok()) {
      waiting_ = false;
      if (!connected_) {
        Log(LogLevel::kInfo, "connected",
            {{"coordinator", coordinator}, {"epoch", std::to_string(desired->epoch)}});
      }
      connected_ = true;
      ++answered_;
      answered_wall_ = clock_.Wall();
      control_.OnAnswer(*desired, now);
      reporter_->Use(control_.coordinator());
      return;
    }
    // Not this agent's fault, and perhaps not the next answer's.
    status = Internal("answer of coordinator {}: {}", coordinator, Message(desired.status()));
  }
  ++failed_;
  const absl::Status fatal = control_.OnFailure(status, now);
  const int n = control_.failures();
  // The first one, then ever more rarely.
  if (fatal.ok() && (connected_ || n == 1 || (n >= 8 && (n & (n - 1)) == 0))) {
    Log(LogLevel::kWarning,
        connected_ ? "coordinator lost; probing goes on until the leases end"
                   : "coordinator does not answer",
        {{"coordinator", coordinator},
         {"error", std::string(Message(status))},
         {"tries", std::to_string(n)}});
  }
  connected_ = false;
  if (!fatal.ok()) GiveUp(fatal);
}

void Link::GiveUp(const absl::Status& why) {
  gone_ = true;
  Log(LogLevel::kError, "stopped", {{"error", std::string(Message(why))}});
  MutexLock lock(mu_);
  fatal_ = why;
  changed_.NotifyAll();
}

void Link::CarryOutOrders() {
  for (Order& order : control_.TakeOrders()) {
    ProbeThread* const thread = threads_[order.thread];
    thread->Post([order = std::move(order)](Runner& runner, Time) { CarryOut(order, runner); });
  }
  for (const std::string& problem : control_.TakeProblems())
    Log(LogLevel::kWarning, "answer not followed", {{"why", problem}});
}

void Link::Look() {
  snapshots_.clear();
  for (ProbeThread* thread : threads_) snapshots_.push_back(thread->Ask());
  // The spool after the threads: what they have reported is in it.
  control_.Observe(snapshots_, {spool_.HasRoom(), spool_.empty(),
                                [this](Token token) { return spool_.Holds(token); }});
}

void Link::Call(const AgentControl::Ask& ask) {
  const v1::SynchronizeRequest request = MakeRequest(ask);
  {
    MutexLock lock(mu_);
    calling_ = true;
  }
  client_.Synchronize(control_.coordinator(), request, ask.deadline,
                      [this](const absl::Status& status, const v1::SynchronizeResponse& response) {
                        MutexLock lock(mu_);
                        answer_ = Answer{status, response};
                        calling_ = false;
                        changed_.NotifyAll();
                      });
}

v1::SynchronizeRequest Link::MakeRequest(const AgentControl::Ask& ask) {
  v1::SynchronizeRequest request;
  v1::AgentInfo* agent = request.mutable_agent();
  agent->set_name(options_.name);
  agent->set_vantage(options_.vantage);
  agent->set_incarnation(options_.incarnation);
  agent->set_version(options_.version);
  agent->set_engine(options_.engine);
  agent->set_max_rate(options_.max_rate);
  agent->set_window(options_.window);
  {
    MutexLock lock(mu_);
    for (const std::string& rule : scope_) agent->add_scope(rule);
  }
  agent->set_permutation_version(Permutation::kVersion);
  FillRequest(control_.state(), control_.Progress(), &request);
  request.set_draining(ask.draining);
  request.set_leaving(ask.draining);
  request.set_sent_unix_us(ToUnixMicros(clock_.Wall()));
  request.set_measured_rate(ask.measured_rate);
  request.set_sent_rate(ask.sent_rate);
  request.set_room(ask.room);

  v1::AgentStats* stats = request.mutable_stats();
  RunnerCounters sum;
  uint64_t in_flight = 0;
  for (const ProbeThread::Snapshot& s : snapshots_) {
    sum.syns += s.counters.syns;
    sum.retries += s.counters.retries;
    sum.open += s.counters.open;
    sum.closed += s.counters.closed;
    sum.filtered += s.counters.filtered;
    sum.unreachable += s.counters.unreachable;
    sum.owed += s.counters.owed;
    sum.local_failures += s.counters.local_failures;
    in_flight += s.in_flight;
  }
  stats->set_probes_sent(sum.syns);
  stats->set_retries(sum.retries);
  stats->set_open(sum.open);
  stats->set_closed(sum.closed);
  stats->set_filtered(sum.filtered);
  stats->set_unreachable(sum.unreachable);
  stats->set_owed(sum.owed);
  stats->set_local_failures(sum.local_failures);
  stats->set_in_flight(in_flight);
  const SpoolStats spool = spool_.Stats();
  stats->set_spool_bytes(spool.bytes);
  stats->set_spool_limit_bytes(spool.limit_bytes);
  stats->set_limited_by(LimitedBy());
  return request;
}

std::string Link::LimitedBy() {
  const Time now = clock_.Now();
  std::string text = options_.limits ? options_.limits(snapshots_, now) : "";
  if (!spool_.HasRoom())
    text = "spool full: the coordinator takes results more slowly than they come";
  if (text != limited_by_ && !text.empty() && now >= next_limit_log_) {
    Log(LogLevel::kWarning, "limited", {{"by", text}});
    limited_by_ = text;
    next_limit_log_ = now + std::chrono::minutes(1);
  }
  return text;
}

void Link::Publish() {
  LinkStatus out;
  out.connected = connected_;
  out.waiting = waiting_;
  out.coordinator = client_.address(control_.coordinator());
  out.last_answer = control_.last_answer();
  out.last_answer_wall = answered_wall_;
  out.lease_term = control_.lease_term();
  out.leases = control_.state().leases.size();
  out.unprobed = control_.unprobed();
  out.draining = control_.draining();
  out.calls_answered = answered_;
  out.calls_failed = failed_;
  out.calls_cancelled = cancels_;
  for (ProbeThread::Snapshot& s : snapshots_) s.leases.clear();  // the control has them
  out.threads = snapshots_;
  MutexLock lock(mu_);
  status_ = std::move(out);
  drained_ = control_.drained();
  if (drained_) changed_.NotifyAll();
}

absl::Status Link::Drain(Duration grace) {
  spool_.SetFlushing(true);
  const Time end = clock_.Now() + grace;
  MutexLock lock(mu_);
  drain_ = true;
  changed_.NotifyAll();
  while (!drained_ && fatal_.ok()) {
    const Duration left = end - clock_.Now();
    if (left <= Duration::zero()) {
      return DeadlineExceeded(
          "{} not finished or not acknowledged after {:.0f} s; what was not reported "
          "will be probed again by others",
          Counted(status_.leases, "lease is", "leases are"), ToSeconds(grace));
    }
    changed_.WaitFor(mu_, std::min<Duration>(left, std::chrono::seconds(1)));
  }
  return absl::OkStatus();
}

absl::Status Link::Fatal() const {
  MutexLock lock(mu_);
  return fatal_;
}

absl::Status Link::Live() const {
  // A round begins at least every half second, and waits for each probe thread.
  const Duration since = clock_.Now() - Time(Duration(heartbeat_ns_.load()));
  if (since <= kStuckAfter) return absl::OkStatus();
  return Internal("the control thread has not run for {:.0f} s", ToSeconds(since));
}

absl::Status Link::Ready() const {
  const Time now = clock_.Now();
  MutexLock lock(mu_);
  if (!fatal_.ok()) return fatal_;
  if (!status_.last_answer.has_value()) return Unavailable("no coordinator has answered yet");
  const Duration age = now - *status_.last_answer;
  if (age <= status_.lease_term * 2) return absl::OkStatus();
  return Unavailable("coordinator {}: last answer {:.0f} s ago", status_.coordinator,
                     ToSeconds(age));
}

void Link::SetScope(std::vector<std::string> rules) {
  MutexLock lock(mu_);
  scope_ = std::move(rules);
}

LinkStatus Link::Status() const {
  LinkStatus out;
  {
    MutexLock lock(mu_);
    out = status_;
  }
  out.spool = spool_.Stats();
  out.reports = reporter_->stats();
  return out;
}

}  // namespace portolan
