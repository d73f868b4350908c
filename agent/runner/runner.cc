#include "agent/runner/runner.h"

#include <algorithm>
#include <utility>

#include "agent/runner/runner_impl.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr double kLeastPart = 1e-6;       // of limits on targets; 0 would be no limit
constexpr double kLongestSlot = 600;      // seconds; what has to wait longer is owed
constexpr double kFirstAnswersRate = 60;  // attempts/s for each of an address's first answers
constexpr double kLeastFirstRate = 2000;  // attempts/s over all targets, when a scan begins

}  // namespace

Runner::Impl::Impl(ProbeEngine& engine, ReportSink& sink, Scope scope, RunnerOptions options)
    : engine_(engine),
      sink_(sink),
      scope_(std::move(scope)),
      options_(options),
      table_(options.target_fraction) {}

void Runner::Impl::SetContext(ScanContext context) {
  PORTOLAN_CHECK(context.space != nullptr && context.overlay != nullptr);
  std::shared_ptr<Scan>& scan = scans_[context.scan];
  if (scan == nullptr) {
    scan = std::make_shared<Scan>();
    scan->serial = next_serial_++;
    turns_.push_back(scan);
    if (const auto share = shares_.find(context.scan); share != shares_.end())
      scan->bucket.SetRate(share->second);
    if (const auto part = fractions_.find(context.scan); part != fractions_.end())
      scan->fraction = part->second;
  } else if (scan->context.overlay->version > context.overlay->version) {
    context.overlay = scan->context.overlay;
  }
  scan->context = std::move(context);
  SetLimits(*scan);
}

void Runner::Impl::SetLimits(Scan& scan) {
  const ProbeTiming& t = scan.context.timing;
  const double growth = t.growth, in_flight = t.address_in_flight;
  const double part = std::max(kLeastPart, options_.target_fraction * scan.fraction);
  scan.targets.address =
      PaceLimit{t.address_rate, in_flight, growth, kFirstAnswersRate}.Times(part);
  scan.targets.prefix = PaceLimit{t.prefix_rate, 0, growth}.Times(part);
  // As much as two prefixes get, so that a careful scan starts carefully. It spares this agent's
  // line, so the part that is others' does not matter.
  scan.targets.first_rate =
      t.prefix_rate > 0 ? std::max(kLeastFirstRate, 2 * t.prefix_rate) * options_.target_fraction
                        : 0;
  double slot = 0;  // seconds from one attempt at a silent address to the next
  for (const double rate : {scan.targets.address.rate, scan.targets.prefix.rate}) {
    if (rate > 0) slot = std::max(slot, 1 / rate);
  }
  if (const double most = scan.targets.address.in_flight; most > 0 && most < 1)
    slot = std::max(slot, ToSeconds(t.timeout) / most);
  scan.limits = ChunkLimits::For(t, FromSeconds(std::min(slot, kLongestSlot)));
}

void Runner::Impl::UpdateOverlay(const std::string& name,
                                 std::shared_ptr<const DenyOverlay> overlay) {
  const auto it = scans_.find(name);
  if (it == scans_.end() || overlay == nullptr) return;
  std::shared_ptr<const DenyOverlay>& current = it->second->context.overlay;
  if (overlay->version > current->version) current = std::move(overlay);
}

void Runner::Impl::DropContext(const std::string& name) {
  shares_.erase(name);
  fractions_.erase(name);
  const auto it = scans_.find(name);
  if (it == scans_.end()) return;
  const std::shared_ptr<Scan> scan = it->second;
  scans_.erase(it);
  std::vector<Token> tokens;
  for (const auto& [token, lease] : leases_) {
    if (lease->scan == scan) tokens.push_back(token);
  }
  for (Token token : tokens) Forget(token);
  DropInquiries(*scan);
  turns_.erase(std::find(turns_.begin(), turns_.end(), scan));
  turn_left_ = 0;
}

std::vector<std::pair<std::string, uint64_t>> Runner::Impl::KnownScans() const {
  std::vector<std::pair<std::string, uint64_t>> known;
  for (const auto& [name, scan] : scans_) known.emplace_back(name, scan->context.overlay->version);
  return known;
}

absl::Status Runner::Impl::Grant(AgentLease granted) {
  const auto scan = scans_.find(granted.scan);
  if (scan == scans_.end()) {
    return NotFound(
        "lease {} is of scan \"{}\", whose context is not known: send the context first",
        granted.token.value, granted.scan);
  }
  if (leases_.contains(granted.token))
    return AlreadyExists("lease {} is held already", granted.token.value);
  const uint64_t size = scan->second->context.space->size();
  if (!IntervalSet{IndexRange{0, size}}.Contains(granted.ranges)) {
    return InvalidArgument("lease {}: positions beyond the scan space of {}", granted.token.value,
                           size);
  }
  const Token token = granted.token;
  auto lease = std::make_unique<Lease>(
      Lease{scan->second, LeaseWalk(std::move(granted), scan->second->context.space)});
  if (draining_) lease->walk.GiveBack();
  NoteUnbegun(*lease);
  leases_.emplace(token, std::move(lease));
  return absl::OkStatus();
}

void Runner::Impl::Shrink(Token token, const IntervalSet& desired) {
  Lease* lease = Find(token);
  if (lease == nullptr) return;
  if (lease->walk.Shrink(desired)) Unfill(*lease);
  NoteUnbegun(*lease);
}

void Runner::Impl::GiveBack(Token token) {
  Lease* lease = Find(token);
  if (lease == nullptr) return;
  lease->walk.GiveBack();
  Unfill(*lease);
  NoteUnbegun(*lease);
}

void Runner::Impl::SetDraining(bool draining) {
  draining_ = draining;
  if (!draining) return;
  for (const auto& [token, lease] : leases_) GiveBack(token);
}

void Runner::Impl::Revoke(Token token) {
  Lease* lease = Find(token);
  if (lease == nullptr) return;
  GiveBack(token);
  lease->walk.set_deadline(Time::min());
  next_check_ = Time::min();  // its chunks are to end
}

void Runner::Impl::Forget(Token token) {
  const auto it = leases_.find(token);
  if (it == leases_.end()) return;
  Lease* lease = it->second.get();
  chunks_.ForEach([&](uint64_t, const std::unique_ptr<OpenChunk>& open) {
    if (open->lease != lease) return;
    open->lease = nullptr;
    open->chunk.Finish();
    next_check_ = Time::min();
  });
  lease->scan->unbegun.erase(token);
  leases_.erase(it);
}

void Runner::Impl::Renew(Token token, Time deadline) {
  if (Lease* lease = Find(token)) lease->walk.set_deadline(deadline);
}

void Runner::Impl::SetShare(const std::string& name, double rate) {
  shares_[name] = rate;
  if (const auto it = scans_.find(name); it != scans_.end()) it->second->bucket.SetRate(rate);
}

void Runner::Impl::SetTargetFraction(const std::string& name, double fraction) {
  fractions_[name] = fraction;
  const auto it = scans_.find(name);
  if (it == scans_.end() || it->second->fraction == fraction) return;
  it->second->fraction = fraction;
  SetLimits(*it->second);
}

std::vector<LeaseProgress> Runner::Impl::Progress() const {
  std::vector<LeaseProgress> out;
  out.reserve(leases_.size());
  for (const auto& [token, lease] : leases_) {
    LeaseProgress& progress = out.emplace_back();
    progress.token = token;
    progress.scan = lease->scan->context.scan;
    progress.ranges = lease->walk.ranges();
    progress.unprobed = lease->walk.unbegun();
    progress.reported = progress.unprobed == 0 && lease->open_chunks == 0;
  }
  return out;
}

bool Runner::Impl::has_work() const {
  return std::any_of(scans_.begin(), scans_.end(),
                     [](const auto& scan) { return !scan.second->unbegun.empty(); });
}

Runner::Impl::Lease* Runner::Impl::Find(Token token) {
  const auto it = leases_.find(token);
  return it == leases_.end() ? nullptr : it->second.get();
}

void Runner::Impl::NoteUnbegun(Lease& lease) {
  const Token token = lease.walk.lease().token;
  if (lease.walk.unbegun() == 0) {
    lease.scan->unbegun.erase(token);
  } else {
    lease.scan->unbegun[token] = &lease;
  }
}

Runner::Runner(ProbeEngine& engine, ReportSink& sink, Scope scope, RunnerOptions options)
    : impl_(std::make_unique<Impl>(engine, sink, std::move(scope), options)) {}
Runner::~Runner() = default;
void Runner::SetContext(ScanContext context) { impl_->SetContext(std::move(context)); }
void Runner::UpdateOverlay(const std::string& scan, std::shared_ptr<const DenyOverlay> overlay) {
  impl_->UpdateOverlay(scan, std::move(overlay));
}
void Runner::DropContext(const std::string& scan) { impl_->DropContext(scan); }
std::vector<std::pair<std::string, uint64_t>> Runner::KnownScans() const {
  return impl_->KnownScans();
}
absl::Status Runner::Grant(AgentLease lease) { return impl_->Grant(std::move(lease)); }
void Runner::Shrink(Token token, const IntervalSet& desired) { impl_->Shrink(token, desired); }
void Runner::Revoke(Token token) { impl_->Revoke(token); }
void Runner::Forget(Token token) { impl_->Forget(token); }
void Runner::Renew(Token token, Time deadline) { impl_->Renew(token, deadline); }
void Runner::GiveBack(Token token) { impl_->GiveBack(token); }
void Runner::SetDraining(bool draining) { impl_->SetDraining(draining); }
void Runner::SetShare(const std::string& scan, double rate) { impl_->SetShare(scan, rate); }
void Runner::SetTargetFraction(const std::string& scan, double fraction) {
  impl_->SetTargetFraction(scan, fraction);
}
void Runner::SetScope(Scope scope) { impl_->SetScope(std::move(scope)); }
void Runner::SetMaxRate(double rate) { impl_->SetMaxRate(rate); }
void Runner::ObserveTable(const TableUse& use, Time now) { impl_->ObserveTable(use, now); }
std::vector<LeaseProgress> Runner::Progress() const { return impl_->Progress(); }
Time Runner::Step(Time now, WallTime wall) { return impl_->Step(now, wall); }
void Runner::OnOutcome(const ProbeOutcome& outcome, Time now, WallTime wall) {
  impl_->OnOutcome(outcome, now, wall);
}
bool Runner::idle() const { return impl_->idle(); }
bool Runner::has_work() const { return impl_->has_work(); }
size_t Runner::open_chunks() const { return impl_->open_chunks(); }
uint64_t Runner::open_positions() const { return impl_->open_positions(); }
const RunnerCounters& Runner::counters() const { return impl_->counters(); }

}  // namespace portolan
