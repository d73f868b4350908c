#include "coordinator/monitoring/monitor_run.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr auto kBetweenLooks = std::chrono::seconds(60);
constexpr auto kReadAgain = std::chrono::seconds(5);
constexpr int kMaxReads = 60;

// The same for all runs of a monitor, in all lives of the coordinator. FNV-1a.
uint64_t SeedOf(const std::string& monitor) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : monitor) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h | 1;
}

}  // namespace

std::shared_ptr<MonitorRun> MonitorRun::Start(Environment env, const RunOrder& order,
                                              MonitorSpec spec, const std::string& kept,
                                              Callbacks callbacks) {
  std::shared_ptr<MonitorRun> run(new MonitorRun(env, order, std::move(callbacks)));
  const InputJob::Environment input{env.runner, env.inputs, env.names, env.scans};
  const auto on_input = [weak = std::weak_ptr(run)](absl::StatusOr<RunInput> read, bool restored) {
    const std::shared_ptr<MonitorRun> self = weak.lock();
    if (self != nullptr && self->callbacks_.ended) self->OnInput(std::move(read), restored);
  };
  if (kept.empty()) {
    run->input_job_ = InputJob::Start(
        input, std::move(spec),
        [on_input](absl::StatusOr<RunInput> read) { on_input(std::move(read), false); });
  } else {
    run->input_job_ = InputJob::Restore(input, std::move(spec), kept, on_input);
  }
  return run;
}

MonitorRun::MonitorRun(Environment env, const RunOrder& order, Callbacks callbacks)
    : env_(env), order_(order), callbacks_(std::move(callbacks)) {
  record_.monitor = order.monitor;
  record_.number = order.number;
  record_.generation = order.generation;
  record_.trigger = order.trigger;
  record_.due = order.due;
  record_.started = order.started;
}

template <typename T, typename F>
std::function<void(T)> MonitorRun::Back(F f) {
  return [weak = weak_from_this(), f](T value) {
    const std::shared_ptr<MonitorRun> self = weak.lock();
    if (self != nullptr && self->callbacks_.ended) f(*self, std::move(value));
  };
}

void MonitorRun::OnInput(absl::StatusOr<RunInput> input, bool restored) {
  input_job_.reset();
  if (!input.ok()) return Fail(input.status());
  input_ = *std::move(input);
  looked_up_ = true;
  callbacks_.names(TroublesOf(input_));
  if (restored) {
    // In the middle of the run for all that is known: what was seen before the restart stands, a
    // quarantine too, and the old look is no news.
    return ProbeCanaries(CanaryPhase::kDuring, LookKey("again"), [this] { StartScan(); });
  }
  if (const absl::Status s = CheckExclusions(input_); !s.ok()) return Fail(s);
  callbacks_.keep_input(input_.Encode(), [weak = weak_from_this()] {
    const std::shared_ptr<MonitorRun> self = weak.lock();
    if (self == nullptr) return;
    self->ProbeCanaries(CanaryPhase::kBefore, "before", [s = self.get()] { s->StartScan(); });
  });
}

void MonitorRun::ProbeCanaries(CanaryPhase phase, const std::string& key,
                               std::function<void()> then) {
  const auto canaries = callbacks_.canaries();
  std::set<SinglePort> ports;
  for (const auto& [vantage, some] : canaries) {
    for (const Canary& c : some) {
      for (const IpAddress& a : CanaryAddresses(input_, c)) ports.insert({a, c.subject.port});
    }
  }
  if (ports.empty()) {
    Judge(canaries, PortAnswers(), phase);
    return then();
  }
  std::vector<std::string> vantages;
  for (const MonitorVantage& v : input_.spec.vantages) vantages.push_back(v.name);
  canary_job_ = ProbePorts(
      env_.runner, env_.scans, env_.clock,
      PortsScan(input_,
                fmt::format("monitor {} run {} canaries {}", order_.monitor, order_.number, key),
                ports, std::move(vantages)),
      fmt::format("{}/{}", order_.Key(), key),
      Back<absl::StatusOr<PortAnswers>>([canaries, phase, then = std::move(then)](
                                            MonitorRun& self, absl::StatusOr<PortAnswers> answers) {
        self.canary_job_.reset();
        self.Judge(canaries, answers.ok() ? *answers : PortAnswers(), phase);
        then();
      }));
}

void MonitorRun::Judge(const std::map<std::string, std::vector<Canary>>& canaries,
                       const PortAnswers& answers, CanaryPhase phase) {
  for (const auto& [vantage, some] : canaries) {
    std::vector<CanaryResult> results;
    for (const Canary& c : some) {
      const auto outcome = answers.Joined(vantage, CanaryAddresses(input_, c), c.subject.port);
      results.push_back({c, outcome ? std::optional(outcome->symbol) : std::nullopt});
    }
    callbacks_.verdict(vantage, JudgeCanaries(results, env_.canaries), phase);
  }
}

void MonitorRun::StartScan() {
  ScanJob::Options options;
  options.request = RunScan(input_, order_.number, SeedOf(order_.monitor));
  options.key = order_.Key();
  if (options.request.targets.empty()) {
    space_ = std::make_shared<const RunSpace>(input_, std::vector<Block>());
    return ProbeCanaries(CanaryPhase::kAfter, "after",
                         [this] { End(RunWithoutScan(input_, space_)); });
  }
  scan_job_ = ScanJob::Start(
      env_.runner, env_.scans, env_.clock, std::move(options),
      Back<const ScanStatus&>(
          [](MonitorRun& self, const ScanStatus& status) { self.OnScanCreated(status); }),
      Back<absl::StatusOr<ScanStatus>>([](MonitorRun& self, absl::StatusOr<ScanStatus> status) {
        self.OnScanEnded(std::move(status));
      }));
}

void MonitorRun::OnScanCreated(const ScanStatus& status) {
  space_ = std::make_shared<const RunSpace>(input_, status.spec->space->blocks());
  record_.scan = status.id;
  record_.positions = status.planned;
  callbacks_.progress(record_);
  WatchCanaries();
}

// Of a look that is made once: not found again after a restart.
std::string MonitorRun::LookKey(const char* what) {
  return fmt::format("{}-{}-{}", what, ToUnixMicros(env_.clock.Wall()) / 1'000'000, ++looks_);
}

// While the scan runs. A look that takes longer than the next one is due is not overtaken.
void MonitorRun::WatchCanaries() {
  env_.runner.PostAfter(kBetweenLooks, [weak = weak_from_this()] {
    const std::shared_ptr<MonitorRun> self = weak.lock();
    if (self == nullptr || self->scan_job_ == nullptr) return;
    if (self->canary_job_ != nullptr) return self->WatchCanaries();
    self->ProbeCanaries(CanaryPhase::kDuring, self->LookKey("during"), [s = self.get()] {
      if (s->scan_job_ != nullptr) s->WatchCanaries();
    });
  });
}

void MonitorRun::OnScanEnded(absl::StatusOr<ScanStatus> status) {
  scan_job_.reset();
  canary_job_.reset();  // what the last look would say, the next one says as well
  if (!status.ok()) return Fail(status.status());
  scan_ = *std::move(status);
  ProbeCanaries(CanaryPhase::kAfter, "after", [this] { Read(); });
}

void MonitorRun::Read() {
  using Parts = absl::StatusOr<std::vector<VantageRun>>;
  const auto done =
      Back<std::shared_ptr<Parts>>([](MonitorRun& self, std::shared_ptr<Parts> parts) {
        if (!parts->ok()) {
          const absl::Status& why = parts->status();
          if (!MayPass(why) || ++self.reads_ > kMaxReads) return self.Fail(why);
          self.env_.runner.PostAfter(kReadAgain, [weak = self.weak_from_this()] {
            if (const std::shared_ptr<MonitorRun> again = weak.lock()) again->Read();
          });
          return;
        }
        self.End(std::move(**parts));
      });
  const bool posted = env_.pool.TryPost([&scans = env_.scans, &runner = env_.runner, scan = *scan_,
                                         space = space_, unresolved = UnresolvedOf(input_), done] {
    auto parts = std::make_shared<Parts>(ReadRun(scans, scan, space, unresolved));
    runner.Post([done, parts = std::move(parts)] { done(parts); });
  });
  if (!posted) Fail(ResourceExhausted("too many results are being read; the next run tries again"));
}

void MonitorRun::Fail(const absl::Status& why) {
  record_.state = RunState::kFailed;
  record_.message = std::string(Message(why));
  Finish({});
}

void MonitorRun::End(std::vector<VantageRun> parts) {
  record_.state = RunState::kComplete;
  std::string missing;
  for (const VantageRun& part : parts) {
    if (!part.complete) missing += (missing.empty() ? "" : ", ") + part.vantage;
  }
  if (!missing.empty() && scan_.has_value()) {
    record_.message = "not everything was looked at from " + missing;
    if (!scan_->message.empty()) record_.message += ": " + scan_->message;
  }
  if (scan_.has_value()) {
    record_.known = Probed(scan_->ledger);
    record_.positions = scan_->planned;
  }
  const std::set<std::string> unresolved = UnresolvedOf(input_);
  if (!unresolved.empty()) {
    const NameTroubles troubles = TroublesOf(input_);
    const std::string& first = *unresolved.begin();
    const auto trouble = troubles.find(first);
    record_.message += fmt::format(
        "{}{} with nothing to look at: {}{}{}", record_.message.empty() ? "" : "; ",
        unresolved.size() == 1 ? "one name" : Counted(unresolved.size(), "name", "names"), first,
        trouble == troubles.end() ? "" : " (" + TroubleText(trouble->second) + ")",
        unresolved.size() == 1 ? "" : ", ...");
  }
  if (!missing.empty() || !unresolved.empty()) record_.state = RunState::kPartial;
  Finish(std::move(parts));
}

void MonitorRun::Finish(std::vector<VantageRun> parts) {
  record_.finished = env_.clock.Wall();
  Result result;
  result.parts = std::move(parts);
  if (looked_up_) {
    result.troubles = TroublesOf(input_);
    for (const auto& [name, trouble] : *result.troubles) {
      if (record_.unresolved.size() == kKeptUnresolved) break;
      record_.unresolved.push_back({name, trouble});
    }
  }
  if (scan_.has_value() && space_ != nullptr && record_.state != RunState::kFailed) {
    auto looked = std::make_shared<LookedRun>();
    looked->number = order_.number;
    looked->scan = scan_->id;
    looked->finished = record_.finished;
    looked->names = space_->Names();
    result.looked = std::move(looked);
  }
  result.record = record_;
  const std::shared_ptr<MonitorRun> self = shared_from_this();
  std::exchange(callbacks_.ended, nullptr)(std::move(result));
}

}  // namespace portolan
