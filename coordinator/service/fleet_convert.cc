#include "coordinator/service/fleet_convert.h"

#include <cmath>
#include <set>
#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/rpc/convert.h"
#include "coordinator/control/scan_request.h"

namespace portolan {
namespace {

constexpr size_t kMaxHeldLeases = 100'000;
constexpr size_t kMaxRangesPerLease = 65'536;
constexpr int kMaxScans = 10'000;
constexpr size_t kMaxShortText = 200;
constexpr size_t kMaxScopeLines = 1'000;
constexpr size_t kMaxScopeLine = 500;
constexpr size_t kMaxContextBytes = 40u << 20;
constexpr size_t kManyRanges = 2'000;

absl::Status CheckRate(std::string_view field, double value) {
  if (!std::isfinite(value) || value < 0 || value > 1e12)
    return InvalidArgument("{} {}: give a number from 0 to 1e12", field, value);
  return absl::OkStatus();
}

absl::Status CheckScanId(std::string_view field, const std::string& id) {
  if (id.empty() || id.size() > 40)
    return InvalidArgument("{}: {}; a scan id has 10", field,
                           Counted(id.size(), "character", "characters"));
  return absl::OkStatus();
}

absl::Status CheckIncarnation(std::string_view field, const std::string& bytes) {
  if (bytes.size() != 16)
    return InvalidArgument("{}: {}; give 16 random ones", field,
                           Counted(bytes.size(), "byte", "bytes"));
  return absl::OkStatus();
}

std::string Shortened(const std::string& text, size_t max = kMaxShortText) {
  if (text.size() <= max) return text;
  size_t end = max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

AgentDetails DetailsFromProto(const v1::SynchronizeRequest& request, const std::string& peer) {
  AgentDetails d;
  const v1::AgentInfo& a = request.agent();
  const v1::AgentStats& s = request.stats();
  d.version = Shortened(a.version());
  d.engine = Shortened(a.engine());
  d.limited_by = Shortened(s.limited_by(), kMaxScopeLine);
  d.peer = peer;
  d.window = a.window();
  for (const std::string& line : a.scope()) {
    if (d.scope.size() == kMaxScopeLines) break;
    d.scope.push_back(Shortened(line, kMaxScopeLine));
  }
  d.probes_sent = s.probes_sent();
  d.retries = s.retries();
  d.local_failures = s.local_failures();
  d.in_flight = s.in_flight();
  d.spool_bytes = s.spool_bytes();
  d.spool_limit_bytes = s.spool_limit_bytes();
  d.open = s.open();
  d.closed = s.closed();
  d.filtered = s.filtered();
  d.unreachable = s.unreachable();
  d.owed = s.owed();
  return d;
}

// What an agent says, brought into a range in which sums do not overflow. A time outside of 1970 to
// 9999 stays outside of 1970 to now.
int64_t ReportedMicros(int64_t unix_us) {
  constexpr int64_t kLatest = int64_t{253'402'300'799} * 1'000'000;  // the end of 9999
  return unix_us < 0 || unix_us > kLatest ? kLatest : unix_us;
}

absl::Status ParseOpens(const v1::OpenPorts& in, std::vector<ParsedOpen>* out) {
  const int n = in.index_delta_size();
  if (in.rtt_us_size() != n || in.time_delta_ms_size() != n ||
      (in.reason_size() != n && in.reason_size() != 0)) {
    return InvalidArgument(
        "batch.open_ports: columns of different lengths: {}, {}, {} and {}; give as many of each",
        n, in.rtt_us_size(), in.time_delta_ms_size(), in.reason_size());
  }
  if (out->size() + static_cast<size_t>(n) > kMaxBatchOpens)
    return InvalidArgument("batch.open_ports: more than {} in a batch", kMaxBatchOpens);
  absl::StatusOr<IpAddress> source = IpAddress::FromBytes(in.source());
  if (!source.ok())
    return InvalidArgument("batch.open_ports.source: {}; an address has 4 or 16",
                           Counted(in.source().size(), "byte", "bytes"));
  const WallTime base = FromUnixMicros(ReportedMicros(in.base_unix_us()));
  uint64_t index = 0;
  for (int i = 0; i < n; ++i) {
    const uint64_t delta = in.index_delta(i);
    if (delta > ScanSpace::kMaxPositions || index + delta > ScanSpace::kMaxPositions ||
        (i > 0 && delta == 0)) {
      return InvalidArgument(
          "batch.open_ports.index_delta: entry {} is no position above the one before", i);
    }
    index += delta;
    const uint32_t reason =
        in.reason_size() == 0 ? static_cast<uint32_t>(Reason::kSynAck) : in.reason(i);
    if (reason > 255 || !IsValid(State::kOpen, static_cast<Reason>(reason))) {
      return InvalidArgument("batch.open_ports.reason {}: not a reason of an open port", reason);
    }
    ParsedOpen& open = out->emplace_back();
    open.token = Token{in.token()};
    open.row = OpenRow{index, static_cast<Reason>(reason), in.rtt_us(i),
                       base + std::chrono::milliseconds(in.time_delta_ms(i)), *source};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentCall> FromProto(const v1::SynchronizeRequest& request, const std::string& peer,
                                    WallTime received) {
  AgentCall call;
  AgentReport& r = call.report;
  const v1::AgentInfo& agent = request.agent();
  PORTOLAN_RETURN_IF_ERROR(CheckName("agent.name", agent.name(), kMaxAgentName));
  PORTOLAN_RETURN_IF_ERROR(CheckName("agent.vantage", agent.vantage(), kMaxVantageName));
  PORTOLAN_RETURN_IF_ERROR(CheckIncarnation("agent.incarnation", agent.incarnation()));
  PORTOLAN_RETURN_IF_ERROR(CheckRate("agent.max_rate", agent.max_rate()));
  PORTOLAN_RETURN_IF_ERROR(CheckRate("measured_rate", request.measured_rate()));
  PORTOLAN_RETURN_IF_ERROR(CheckRate("sent_rate", request.sent_rate()));
  if (agent.permutation_version() < Permutation::kVersion) {
    return InvalidArgument(
        "agent.permutation_version {}: this coordinator needs {}; use the same version of Portolan "
        "everywhere",
        agent.permutation_version(), Permutation::kVersion);
  }
  r.name = agent.name();
  r.vantage = agent.vantage();
  r.incarnation = agent.incarnation();
  r.revision_seen = request.revision_seen();
  r.draining = request.draining() || request.leaving();
  r.leaving = request.leaving();
  r.measured_rate = request.measured_rate();
  r.sent_rate = request.sent_rate();
  r.max_rate = agent.max_rate();
  r.room = request.room();
  call.epoch_seen = request.epoch_seen();
  call.sent = FromUnixMicros(request.sent_unix_us());
  call.received = received;

  if (static_cast<size_t>(request.leases_size()) > kMaxHeldLeases) {
    return InvalidArgument("leases: {} of them; at most {} are allowed", request.leases_size(),
                           kMaxHeldLeases);
  }
  std::set<uint64_t> tokens;
  for (const v1::HeldLease& lease : request.leases()) {
    if (lease.token() == 0 || !tokens.insert(lease.token()).second) {
      return InvalidArgument("leases.token {}: zero, or listed twice", lease.token());
    }
    absl::StatusOr<IntervalSet> ranges =
        FromProto(lease.ranges(), ScanSpace::kMaxPositions, kMaxRangesPerLease);
    if (!ranges.ok())
      return Annotate(ranges.status(), fmt::format("leases[token {}]", lease.token()));
    r.leases.push_back({Token{lease.token()}, *std::move(ranges), lease.unprobed()});
  }
  if (request.shares_size() > kMaxScans || request.scans_size() > kMaxScans)
    return InvalidArgument("shares, scans: more than {}", kMaxScans);
  for (const v1::ScanShare& share : request.shares()) {
    PORTOLAN_RETURN_IF_ERROR(CheckScanId("shares.scan_id", share.scan_id()));
    if (!std::isfinite(share.rate()))
      return InvalidArgument("shares.rate {}: not a number", share.rate());
    if (!r.shares.emplace(share.scan_id(), share.rate()).second)
      return InvalidArgument("shares.scan_id \"{}\": listed twice", share.scan_id());
    if (!share.has_target_fraction()) continue;
    if (!(share.target_fraction() >= 0 && share.target_fraction() <= 1))
      return InvalidArgument("shares.target_fraction {}: it is 0 to 1", share.target_fraction());
    r.fractions[share.scan_id()] = share.target_fraction();
  }
  for (const v1::KnownScan& scan : request.scans()) {
    PORTOLAN_RETURN_IF_ERROR(CheckScanId("scans.scan_id", scan.scan_id()));
    if (!r.known_scans.emplace(scan.scan_id(), scan.overlay_version()).second) {
      return InvalidArgument("scans.scan_id \"{}\": listed twice", scan.scan_id());
    }
  }
  call.details = DetailsFromProto(request, peer);
  return call;
}

bool IsLarge(const SyncAnswer& answer) {
  size_t ranges = 0;
  for (const SyncContext& c : answer.contexts) {
    ranges += c.overlay.rules.size();
    if (!c.with_space) continue;
    for (const Block& b : c.spec->space->blocks())
      ranges += b.addresses.ranges().size() + b.ports.ranges().size();
  }
  return ranges > kManyRanges;
}

void ToProto(const SyncAnswer& answer, v1::SynchronizeResponse* out) {
  out->set_epoch(answer.epoch);
  out->set_revision(answer.decision.revision);
  out->set_lease_term_ms(static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(answer.lease_term).count()));
  out->set_drain(answer.decision.drain);
  if (answer.decision.wait > Duration::zero()) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(answer.decision.wait);
    out->set_wait_ms(static_cast<uint32_t>(wait.count()));
  }
  std::set<ScanId> left_out;
  size_t bytes = 0;
  for (const SyncContext& context : answer.contexts) {
    v1::ScanContext* c = out->add_scans();
    c->set_scan_id(context.scan);
    if (context.with_space) {
      ToProto(context.spec->space->blocks(), context.spec->space->seed(), c->mutable_space());
      ToProto(context.spec->timing, c->mutable_timing());
      ToProto(context.spec->confirm_ports, c->mutable_confirm_ports());
    }
    c->set_overlay_version(context.overlay.version);
    for (const ScopeRule& rule : context.overlay.rules) c->add_overlay(rule.text);
    const size_t size = c->ByteSizeLong();
    if (bytes > 0 && bytes + size > kMaxContextBytes) {
      left_out.insert(context.scan);
      out->mutable_scans()->RemoveLast();
    } else {
      bytes += size;
    }
  }
  for (const GrantedLease& lease : answer.decision.leases) {
    if (left_out.count(lease.scan) > 0) continue;
    v1::Lease* l = out->add_leases();
    l->set_token(lease.token.value);
    l->set_lane_id(lease.lane.value);
    l->set_scan_id(lease.scan);
    l->set_attempt(lease.attempt);
    ToProto(lease.ranges, l->mutable_ranges());
  }
  for (const auto& [scan, rate] : answer.decision.shares) {
    if (left_out.count(scan) > 0) continue;
    v1::ScanShare* s = out->add_shares();
    s->set_scan_id(scan);
    s->set_rate(rate);
    if (auto part = answer.decision.fractions.find(scan); part != answer.decision.fractions.end())
      s->set_target_fraction(part->second);
  }
}

absl::Status CheckHello(const v1::ReportHello& hello) {
  PORTOLAN_RETURN_IF_ERROR(CheckName("hello.agent", hello.agent(), kMaxAgentName));
  return CheckIncarnation("hello.incarnation", hello.incarnation());
}

absl::StatusOr<ParsedBatch> ParseBatch(v1::ReportBatch& batch) {
  if (batch.ByteSizeLong() > kMaxReportBytes) {
    return InvalidArgument("batch: {} bytes; at most {} are allowed", batch.ByteSizeLong(),
                           kMaxReportBytes);
  }
  if (static_cast<size_t>(batch.chunks_size()) > kMaxBatchChunks)
    return InvalidArgument("batch.chunks: more than {}", kMaxBatchChunks);
  ParsedBatch out;
  out.chunks.reserve(static_cast<size_t>(batch.chunks_size()));
  for (v1::Chunk& chunk : *batch.mutable_chunks()) {
    const WallTime start = FromUnixMicros(ReportedMicros(chunk.start_unix_us()));
    absl::StatusOr<ParsedChunk> parsed =
        ParseChunk(Token{chunk.token()}, chunk.begin(), chunk.count(), start, chunk.duration_ms(),
                   std::move(*chunk.mutable_outcomes()), chunk.extra());
    if (!parsed.ok()) return Annotate(parsed.status(), "batch.chunks");
    out.chunks.push_back(*std::move(parsed));
  }
  for (const v1::OpenPorts& opens : batch.open_ports())
    PORTOLAN_RETURN_IF_ERROR(ParseOpens(opens, &out.opens));
  if (static_cast<size_t>(batch.host_findings_size()) > kMaxBatchFindings)
    return InvalidArgument("batch.host_findings: more than {}", kMaxBatchFindings);
  for (v1::HostReport& report : *batch.mutable_host_findings()) {
    v1::HostFinding* said = report.mutable_finding();
    said->set_unix_us(ReportedMicros(said->unix_us()));
    said->set_since_unix_us(ReportedMicros(said->since_unix_us()));
    absl::StatusOr<HostFinding> finding = FromProto(report.finding());
    if (!finding.ok()) return Annotate(finding.status(), "batch.host_findings");
    out.findings.push_back({Token{report.token()}, *std::move(finding)});
  }
  return out;
}

size_t MemoryOf(const ParsedBatch& batch) {
  size_t bytes = sizeof(batch);
  for (const ParsedChunk& c : batch.chunks) {
    bytes += sizeof(c) + c.outcomes.size() +
             64 * (c.owed.range_count() + c.refused_by_scope.range_count());
  }
  bytes += batch.findings.size() * (sizeof(ParsedFinding) + 128);
  return bytes + batch.opens.size() *
                     (sizeof(ParsedOpen) + 64);  // a stored row also holds the agent's name
}

}  // namespace portolan
