#include "coordinator/monitoring/input_job.h"

#include <utility>

#include "common/base/status.h"

namespace portolan {
namespace {

absl::Status TooMany() {
  return ResourceExhausted("too many lists of targets are being read; the next run tries again");
}

}  // namespace

std::shared_ptr<InputJob> InputJob::Start(Environment env, MonitorSpec spec, Done done) {
  std::shared_ptr<InputJob> job(new InputJob(env, std::move(done)));
  // Never from within the call that starts it: the owner has to have it first.
  env.runner.Post([weak = std::weak_ptr(job), spec = std::move(spec)]() mutable {
    if (const std::shared_ptr<InputJob> self = weak.lock()) self->Read(std::move(spec));
  });
  return job;
}

std::shared_ptr<InputJob> InputJob::Restore(
    Environment env, MonitorSpec spec, std::string kept,
    std::function<void(absl::StatusOr<RunInput>, bool restored)> done) {
  auto restored = std::make_shared<bool>(false);
  std::shared_ptr<InputJob> job(
      new InputJob(env, [restored, done = std::move(done)](absl::StatusOr<RunInput> input) {
        done(std::move(input), *restored);
      }));
  const std::weak_ptr<InputJob> weak = job;
  const bool posted = env.pool.TryPost([weak, restored, spec = std::move(spec),
                                        kept = std::move(kept), &runner = env.runner] {
    auto input = std::make_shared<absl::StatusOr<RunInput>>(RunInput::Decode(kept, spec.listed));
    Back(runner, weak, [restored, input, spec](InputJob& self) {
      if (absl::IsDataLoss(input->status())) return self.Read(spec);
      *restored = input->ok();
      self.End(std::move(*input));
    });
  });
  if (!posted) Back(env.runner, weak, [](InputJob& self) { self.End(TooMany()); });
  return job;
}

void InputJob::Back(TaskRunner& runner, const std::weak_ptr<InputJob>& weak,
                    std::function<void(InputJob&)> f) {
  runner.Post([weak, f = std::move(f)] {
    const std::shared_ptr<InputJob> self = weak.lock();
    if (self != nullptr && self->done_) f(*self);
  });
}

void InputJob::Read(MonitorSpec spec) {
  auto shared = std::make_shared<MonitorSpec>(std::move(spec));
  const bool posted = env_.pool.TryPost([shared, weak = weak_from_this(), &runner = env_.runner] {
    const auto targets = SpecTargets::Read(*shared);
    Back(runner, weak, [shared, targets](InputJob& self) {
      if (!targets.ok()) return self.End(targets.status());
      self.Ask(shared, *targets);
    });
  });
  if (!posted) End(TooMany());
}

void InputJob::Ask(std::shared_ptr<MonitorSpec> spec, std::shared_ptr<const SpecTargets> targets) {
  // Holds no reference to this, which would be destroyed, and its request with it, within the
  // request's own callback.
  const auto finish = [spec, targets, weak = weak_from_this(), &runner = env_.runner,
                       &pool = env_.pool, &scans = env_.scans](std::vector<NameAnswer> answers) {
    auto shared = std::make_shared<std::vector<NameAnswer>>(std::move(answers));
    const bool posted = pool.TryPost([spec, targets, shared, weak, &runner, &scans] {
      auto input = std::make_shared<RunInput>(MakeInput(*spec, targets, std::move(*shared)));
      DropAddresses(*input, [&](const IpAddress& a) { return scans.CheckAddress(a); });
      Back(runner, weak, [input](InputJob& self) { self.End(std::move(*input)); });
    });
    if (!posted) Back(runner, weak, [](InputJob& self) { self.End(TooMany()); });
  };
  if (targets->names().empty()) return finish({});
  request_ = env_.names.Start(targets->names(), nullptr, finish);
}

void InputJob::End(absl::StatusOr<RunInput> input) {
  const std::shared_ptr<InputJob> self = shared_from_this();  // the callback may let go of it
  request_.reset();
  std::exchange(done_, nullptr)(std::move(input));
}

}  // namespace portolan
