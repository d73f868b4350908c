#include "coordinator/control/scan_creator.h"

#include <algorithm>

#include "common/base/status.h"

namespace portolan {
namespace {

constexpr Duration kTellEvery = std::chrono::milliseconds(250);
constexpr int kTicksWithoutNews = 20;  // 5 s

size_t BytesOf(const ScanRequest& request) {
  size_t bytes = request.ports.size() + request.exclude_ports.size();
  for (const std::string& t : request.targets) bytes += t.size();
  for (const std::string& t : request.exclude) bytes += t.size();
  return bytes;
}

absl::Status OtherRequest(const std::string& key) {
  return AlreadyExists("request_id \"{}\": was used for another request; choose a new one", key);
}

}  // namespace

struct ScanCreator::Creation {
  uint64_t id = 0;
  std::string key, digest;
  size_t bytes = 0;
  struct Waiting {
    uint64_t id = 0;
    std::function<void(size_t, size_t)> progress;
    Finish done;
  };
  std::vector<Waiting> calls;
  bool submitted = false;

  // Written on a planning thread, read on the control thread after it.
  absl::StatusOr<PreparedScan> prepared = absl::UnknownError("not prepared");
  absl::StatusOr<std::shared_ptr<const ScanSpec>> planned = absl::UnknownError("not planned");
  std::optional<ScanId> existing;

  std::unique_ptr<NameLookup::Request> lookup;
  size_t names = 0;  // to look up; 0: no lookup is under way
  std::atomic<size_t> names_done{0};
  size_t told = 0;
  int ticks_without_news = 0;

  std::atomic<bool> abandoned{false};  // spares a planning thread work that nobody wants
};

ScanCreator::ScanCreator(Environment environment, Limits limits)
    : env_(std::move(environment)), limits_(limits) {}

ScanCreator::~ScanCreator() = default;

void ScanCreator::Create(CreateCall call) {
  if (shut_down_) return call.done(*shut_down_);
  Creation::Waiting waiting{call.id, std::move(call.progress), std::move(call.done)};
  if (!call.key.empty()) {
    if (const auto it = by_key_.find(call.key); it != by_key_.end()) {
      const CreationPtr& creation = it->second;
      if (creation->digest != call.digest) return waiting.done(OtherRequest(call.key));
      if (creation->calls.size() >= limits_.calls_of_a_key) {
        return waiting.done(ResourceExhausted(
            "{} calls wait for request_id \"{}\"; the limit is {}: try again in a few seconds",
            creation->calls.size(), call.key, limits_.calls_of_a_key));
      }
      by_call_[call.id] = creation;
      creation->calls.push_back(std::move(waiting));
      if (creation->names > 0 && creation->calls.back().progress)
        creation->calls.back().progress(creation->told, creation->names);
      return;
    }
  }
  const size_t bytes = BytesOf(call.request);
  if (creations_.size() >= limits_.creations ||
      (bytes_ + bytes > limits_.bytes && !creations_.empty())) {
    return waiting.done(ResourceExhausted(
        "{} scans with {} MiB of targets are being created; the limit is {} scans or {} MiB: try "
        "again in a few seconds",
        creations_.size(), bytes_ >> 20, limits_.creations, limits_.bytes >> 20));
  }
  const auto creation = std::make_shared<Creation>();
  creation->id = next_++;
  creation->key = std::move(call.key);
  creation->digest = std::move(call.digest);
  creation->bytes = bytes;
  bytes_ += bytes;
  by_call_[call.id] = creation;
  creation->calls.push_back(std::move(waiting));
  if (!creation->key.empty()) by_key_[creation->key] = creation;
  creations_[creation->id] = creation;
  Prepare(creation, std::move(call.request));
}

void ScanCreator::OnPlanner(const CreationPtr& creation, std::function<void()> work,
                            std::function<void()> then) {
  const bool posted = env_.planners.TryPost(
      [this, creation, work = std::move(work), then = std::move(then)]() mutable {
        if (creation->abandoned) return;
        work();
        env_.control.Post([this, creation, then = std::move(then)] {
          if (creations_.count(creation->id) > 0) then();
        });
      });
  if (!posted) {
    End(creation,
        ResourceExhausted("too many scans are being planned; try again in a few seconds"));
  }
}

void ScanCreator::Prepare(const CreationPtr& creation, ScanRequest request) {
  const auto shared = std::make_shared<ScanRequest>(std::move(request));
  OnPlanner(
      creation,
      [this, creation, shared] {
        if (!creation->key.empty()) {
          auto before = env_.find_request(creation->key);
          if (!before.ok()) {
            creation->prepared = before.status();
            return;
          }
          if (before->has_value()) {
            if ((*before)->second == creation->digest) {
              creation->existing = (*before)->first;
            } else {
              creation->prepared = OtherRequest(creation->key);
            }
            return;
          }
        }
        creation->prepared = PreparedScan::Prepare(std::move(*shared));
      },
      [this, creation] { OnPrepared(creation); });
}

void ScanCreator::OnPrepared(const CreationPtr& creation) {
  if (creation->existing) {
    creation->submitted = true;  // and not to be discarded: others were told of it
    return env_.describe(*creation->existing, [this, creation](absl::StatusOr<ScanStatus> result) {
      creation->submitted = false;
      End(creation, result);
    });
  }
  if (!creation->prepared.ok()) return End(creation, creation->prepared.status());
  const std::vector<std::string>& names = creation->prepared->names();
  if (names.empty()) return Plan(creation, {});
  if (env_.names == nullptr) {
    return End(creation, FailedPrecondition("target \"{}\": host names cannot be looked up here; "
                                            "write addresses",
                                            names[0]));
  }
  creation->names = names.size();
  // On threads of the lookup; destroying the request makes sure that none follows.
  creation->lookup = env_.names->Start(
      names, [creation = creation.get()](size_t done) { creation->names_done = done; },
      [this, creation](std::vector<NameAnswer> answers) {
        const auto shared = std::make_shared<std::vector<NameAnswer>>(std::move(answers));
        env_.control.Post([this, creation, shared] {
          creation->lookup.reset();
          creation->names = 0;
          if (creations_.count(creation->id) > 0) Plan(creation, std::move(*shared));
        });
      });
  Tell(*creation);
  if (!std::exchange(ticking_, true)) env_.control.PostAfter(kTellEvery, [this] { TellAll(); });
}

void ScanCreator::Tell(Creation& creation) {
  creation.told = std::min(creation.names_done.load(), creation.names);
  creation.ticks_without_news = 0;
  for (const Creation::Waiting& call : creation.calls) {
    if (call.progress) call.progress(creation.told, creation.names);
  }
}

void ScanCreator::TellAll() {
  bool any = false;
  for (const auto& [id, creation] : creations_) {
    if (creation->names == 0) continue;
    any = true;
    if (creation->names_done != creation->told ||
        ++creation->ticks_without_news >= kTicksWithoutNews)
      Tell(*creation);
  }
  ticking_ = any;
  if (any) env_.control.PostAfter(kTellEvery, [this] { TellAll(); });
}

void ScanCreator::Plan(const CreationPtr& creation, std::vector<NameAnswer> answers) {
  const auto shared = std::make_shared<std::vector<NameAnswer>>(std::move(answers));
  const auto context = std::make_shared<const PlanContext>(env_.context());
  OnPlanner(
      creation,
      [creation, shared, context] {
        creation->planned = creation->prepared->Plan(*shared, *context);
      },
      [this, creation] {
        if (!creation->planned.ok()) return End(creation, creation->planned.status());
        Submit(creation, *std::move(creation->planned));
      });
}

void ScanCreator::Submit(const CreationPtr& creation, std::shared_ptr<const ScanSpec> spec) {
  creation->submitted = true;
  env_.submit(std::move(spec), creation->key, creation->digest,
              [this, creation](const absl::StatusOr<ScanStatus>& result) {
                if (creation->calls.empty() && result.ok()) env_.discard(result->id);
                End(creation, result);
              });
}

void ScanCreator::End(const CreationPtr& creation, const absl::StatusOr<ScanStatus>& result) {
  Forget(creation);
  for (const Creation::Waiting& call : std::exchange(creation->calls, {})) call.done(result);
}

void ScanCreator::Forget(const CreationPtr& creation) {
  creation->abandoned = true;
  creation->lookup.reset();
  creation->names = 0;
  if (creations_.erase(creation->id) == 0) return;
  bytes_ -= creation->bytes;
  for (const Creation::Waiting& call : creation->calls) by_call_.erase(call.id);
  if (const auto it = by_key_.find(creation->key); it != by_key_.end() && it->second == creation)
    by_key_.erase(it);
}

void ScanCreator::Abandon(uint64_t call) {
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return;
  const CreationPtr creation = it->second;
  by_call_.erase(it);
  std::erase_if(creation->calls, [call](const Creation::Waiting& w) { return w.id == call; });
  // What is being stored cannot be taken back before it is stored; Submit sees to it.
  if (creation->calls.empty() && !creation->submitted) Forget(creation);
}

void ScanCreator::Shutdown(const absl::Status& why) {
  shut_down_ = why;
  for (const auto& [id, creation] : std::exchange(creations_, {})) {
    creation->abandoned = true;
    creation->lookup.reset();
    for (const Creation::Waiting& call : std::exchange(creation->calls, {})) call.done(why);
  }
  by_key_.clear();
  by_call_.clear();
}

size_t ScanCreator::names_under_way() const {
  size_t names = 0;
  for (const auto& [id, creation] : creations_)
    names += creation->names - std::min(creation->names, creation->names_done.load());
  return names;
}

}  // namespace portolan
