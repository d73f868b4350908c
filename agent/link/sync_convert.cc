#include "agent/link/sync_convert.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "common/base/status.h"
#include "common/rpc/convert.h"

namespace portolan {
namespace {

constexpr int kMaxLeases = 100'000;
constexpr size_t kMaxLeaseRanges = 1 << 20;
constexpr int kMaxOverlayRules = 100'000;
constexpr uint32_t kMaxWaitMs = 60'000;
constexpr uint32_t kMinTermMs = 100, kMaxTermMs = 3'600'000;

absl::StatusOr<std::shared_ptr<const DenyOverlay>> OverlayFromProto(
    const v1::ScanContext& context) {
  if (context.overlay_size() > kMaxOverlayRules) {
    return InvalidArgument("scan {}: {} overlay rules, at most {}", context.scan_id(),
                           context.overlay_size(), kMaxOverlayRules);
  }
  auto out = std::make_shared<DenyOverlay>();
  out->version = context.overlay_version();
  for (const std::string& text : context.overlay()) {
    auto rule = ParseScopeRule(text);
    if (!rule.ok())
      return Annotate(rule.status(), fmt::format("overlay of scan {}", context.scan_id()));
    out->rules.push_back(*std::move(rule));
  }
  return out;
}

absl::StatusOr<DesiredContext> ContextFromProto(const v1::ScanContext& context) {
  DesiredContext out;
  out.scan = context.scan_id();
  PORTOLAN_ASSIGN_OR_RETURN(out.overlay, OverlayFromProto(context));
  if (!context.has_space()) return out;
  PORTOLAN_ASSIGN_OR_RETURN(out.space, FromProto(context.space()));
  PORTOLAN_ASSIGN_OR_RETURN(out.timing, FromProto(context.timing()));
  PORTOLAN_ASSIGN_OR_RETURN(out.confirm_ports, FromProto(context.confirm_ports(), "confirm_ports"));
  return out;
}

}  // namespace

void FillRequest(const LinkState& state, const std::map<Token, LeaseProgress>& progress,
                 v1::SynchronizeRequest* request) {
  request->set_epoch_seen(state.epoch);
  request->set_revision_seen(state.revision);
  for (const auto& [token, lease] : state.leases) {
    v1::HeldLease* held = request->add_leases();
    held->set_token(token.value);
    const auto p = progress.find(token);
    // The runner has carried out every shrink by now: what it lists beyond one was begun before,
    // and is still its own.
    const IntervalSet& ranges = p == progress.end() ? lease.ranges : p->second.ranges;
    ToProto(ranges, held->mutable_ranges());
    held->set_unprobed(p == progress.end() ? lease.ranges.size()
                                           : std::min(p->second.unprobed, ranges.size()));
  }
  std::set<std::string> leased;
  for (const auto& [token, lease] : state.leases) leased.insert(lease.scan);
  for (const auto& [scan, rate] : state.shares) {
    if (!leased.contains(scan)) continue;  // nothing is sent for it
    v1::ScanShare* share = request->add_shares();
    share->set_scan_id(scan);
    share->set_rate(rate);
    const auto part = state.fractions.find(scan);
    share->set_target_fraction(part == state.fractions.end() ? 1 : part->second);
  }
  for (const auto& [scan, context] : state.contexts) {
    v1::KnownScan* known = request->add_scans();
    known->set_scan_id(scan);
    known->set_overlay_version(context->overlay->version);
  }
}

absl::StatusOr<DesiredState> FromProto(const v1::SynchronizeResponse& response,
                                       const LinkState& state, std::vector<std::string>& problems) {
  DesiredState out;
  if (response.epoch() == 0) return InvalidArgument("epoch: 0; a coordinator's begins at 1");
  out.epoch = response.epoch();
  out.revision = response.revision();
  if (response.lease_term_ms() < kMinTermMs || response.lease_term_ms() > kMaxTermMs) {
    return InvalidArgument("lease_term_ms: {}; {} to {} are possible", response.lease_term_ms(),
                           kMinTermMs, kMaxTermMs);
  }
  out.lease_term = std::chrono::milliseconds(response.lease_term_ms());
  out.drain = response.drain();
  out.wait = std::chrono::milliseconds(std::min(response.wait_ms(), kMaxWaitMs));
  if (out.wait > Duration::zero()) return out;  // nothing else in it counts

  std::map<std::string, uint64_t> sizes;
  for (const auto& [scan, context] : state.contexts) sizes[scan] = context->space->size();
  for (const v1::ScanContext& c : response.scans()) {
    if (c.scan_id().empty() || c.scan_id().size() > 100)
      return InvalidArgument("scans.scan_id: empty or over 100 bytes");
    auto context = ContextFromProto(c);
    if (!context.ok()) {
      problems.push_back(fmt::format("scan {}: {}", c.scan_id(), Message(context.status())));
      continue;
    }
    if (context->space != nullptr) sizes[c.scan_id()] = context->space->size();
    out.contexts.push_back(*std::move(context));
  }

  if (response.leases_size() > kMaxLeases)
    return InvalidArgument("leases: {}, at most {}", response.leases_size(), kMaxLeases);
  std::set<Token> tokens;
  for (const v1::Lease& l : response.leases()) {
    const Token token{l.token()};
    if (!token) return InvalidArgument("leases.token: 0");
    if (!tokens.insert(token).second) return InvalidArgument("leases.token: {} twice", token.value);
    const auto size = sizes.find(l.scan_id());
    const uint64_t limit = size == sizes.end() ? ScanSpace::kMaxPositions : size->second;
    auto ranges = FromProto(l.ranges(), limit, kMaxLeaseRanges);
    if (!ranges.ok()) return Annotate(ranges.status(), fmt::format("lease {}", token.value));
    out.leases.push_back(
        {token, LaneId{l.lane_id()}, l.scan_id(), *std::move(ranges), l.attempt()});
  }
  for (const v1::ScanShare& s : response.shares()) {
    if (std::isnan(s.rate()))
      return InvalidArgument("shares.rate of scan {}: not a number", s.scan_id());
    out.shares[s.scan_id()] = s.rate();
    if (!s.has_target_fraction()) continue;
    if (!(s.target_fraction() >= 0 && s.target_fraction() <= 1)) {
      return InvalidArgument("shares.target_fraction of scan {}: {}; it is 0 to 1", s.scan_id(),
                             s.target_fraction());
    }
    out.fractions[s.scan_id()] = s.target_fraction();
  }
  return out;
}

void ToProto(const SpoolBatch& batch, v1::ReportBatch* out) {
  out->set_seq(batch.seq);
  for (const ChunkReport& c : batch.chunks) {
    v1::Chunk* chunk = out->add_chunks();
    chunk->set_token(c.token.value);
    chunk->set_begin(c.range.begin);
    chunk->set_count(static_cast<uint32_t>(c.range.size()));
    chunk->set_start_unix_us(ToUnixMicros(c.start));
    chunk->set_duration_ms(c.duration_ms);
    chunk->set_outcomes(c.outcomes);
    chunk->set_extra(c.extra);
  }
  for (const FindingReport& f : batch.findings) {
    v1::HostReport* report = out->add_host_findings();
    report->set_token(f.token.value);
    ToProto(f.finding, report->mutable_finding());
  }
  for (const OpenGroup& group : batch.opens) {
    if (group.rows.empty()) continue;
    WallTime base = group.rows.front().when;
    bool plain = true;
    for (const OpenRow& row : group.rows) {
      base = std::min(base, row.when);
      plain = plain && row.reason == Reason::kSynAck;
    }
    v1::OpenPorts* ports = out->add_open_ports();
    ports->set_token(group.token.value);
    ports->set_source(group.source.ToBytes());
    ports->set_base_unix_us(ToUnixMicros(base));
    uint64_t last = 0;
    for (const OpenRow& row : group.rows) {
      ports->add_index_delta(row.index - last);
      last = row.index;
      ports->add_rtt_us(row.rtt_us);
      ports->add_time_delta_ms(
          static_cast<uint32_t>((ToUnixMicros(row.when) - ToUnixMicros(base)) / 1000));
      if (!plain) ports->add_reason(static_cast<uint32_t>(row.reason));
    }
  }
}

}  // namespace portolan
