#include "coordinator/service/scan_convert.h"

#include <openssl/evp.h>

#include <utility>

#include "common/base/status.h"
#include "common/rpc/convert.h"
#include "common/rpc/status.h"
#include "common/scan/timing_template.h"

namespace portolan {
namespace {

constexpr int kMaxRules = 10'000;
constexpr size_t kMaxVantageFilters = 1'000;
constexpr size_t kMaxLeaseRanges = 100;

v1::ScanState StateToProto(ScanState s) {
  switch (s) {
    case ScanState::kRunning:
      return v1::SCAN_STATE_RUNNING;
    case ScanState::kPaused:
      return v1::SCAN_STATE_PAUSED;
    case ScanState::kCancelling:
      return v1::SCAN_STATE_CANCELLING;
    case ScanState::kComplete:
      return v1::SCAN_STATE_COMPLETE;
    case ScanState::kPartial:
      return v1::SCAN_STATE_PARTIAL;
    case ScanState::kCancelled:
      return v1::SCAN_STATE_CANCELLED;
  }
  return v1::SCAN_STATE_UNSPECIFIED;
}

void SpecToProto(const ScanSpec& spec, v1::ScanRequestSpec* out) {
  out->set_name(spec.name);
  for (const std::string& t : spec.target_texts) out->add_targets(t);
  out->set_ports(spec.ports_text);
  out->set_mode(spec.mode == ScanMode::kEachVantage ? v1::SCAN_MODE_EACH_VANTAGE
                                                    : v1::SCAN_MODE_SPLIT);
  for (const std::string& v : spec.vantages) out->add_vantages(v);
  switch (spec.priority) {
    case Priority::kLow:
      out->set_priority(v1::PRIORITY_LOW);
      break;
    case Priority::kNormal:
      out->set_priority(v1::PRIORITY_NORMAL);
      break;
    case Priority::kHigh:
      out->set_priority(v1::PRIORITY_HIGH);
      break;
  }
  out->set_max_rate(spec.max_rate);
  ToProto(spec.timing, out->mutable_timing());
  out->set_max_attempts(spec.max_attempts);
  out->set_lane_timeout_s(static_cast<uint32_t>(ToSeconds(spec.lane_timeout)));
  out->set_retention_s(static_cast<uint64_t>(ToSeconds(spec.retention)));
  if (spec.space != nullptr) out->set_seed(spec.space->seed());
}

}  // namespace

absl::StatusOr<ScanRequest> FromProto(const v1::ScanRequestSpec& spec) {
  ScanRequest out;
  out.name = spec.name();
  out.targets.assign(spec.targets().begin(), spec.targets().end());
  out.ports = spec.ports();
  out.exclude.assign(spec.exclude().begin(), spec.exclude().end());
  out.exclude_ports = spec.exclude_ports();
  switch (spec.mode()) {
    case v1::SCAN_MODE_UNSPECIFIED:
    case v1::SCAN_MODE_SPLIT:
      out.mode = ScanMode::kSplit;
      break;
    case v1::SCAN_MODE_EACH_VANTAGE:
      out.mode = ScanMode::kEachVantage;
      break;
    default:
      return InvalidArgument("spec.mode {}: unknown", static_cast<int>(spec.mode()));
  }
  out.vantages.assign(spec.vantages().begin(), spec.vantages().end());
  switch (spec.priority()) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL:
      out.priority = Priority::kNormal;
      break;
    case v1::PRIORITY_LOW:
      out.priority = Priority::kLow;
      break;
    case v1::PRIORITY_HIGH:
      out.priority = Priority::kHigh;
      break;
    default:
      return InvalidArgument("spec.priority {}: unknown", static_cast<int>(spec.priority()));
  }
  out.max_rate = spec.max_rate();
  absl::StatusOr<ProbeTiming> timing = FromProto(spec.timing());
  if (!timing.ok()) return Annotate(timing.status(), "spec");
  out.timing = *timing;
  if (out.max_rate == 0 && spec.timing().has_level())
    out.max_rate = TimingTemplateOf(spec.timing().level()).max_rate;
  out.max_attempts = spec.max_attempts();
  out.allow_long = spec.allow_long();
  out.lane_timeout_s = spec.lane_timeout_s();
  out.retention_s = spec.retention_s();
  out.seed = spec.seed();
  out.wait_for_agents = spec.wait_for_agents();
  out.skip_unresolved = spec.skip_unresolved();
  return out;
}

std::string DigestOf(const v1::ScanRequestSpec& spec) {
  std::string bytes = spec.SerializeAsString();  // no maps: the same message, the same bytes
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) != 1)
    return bytes;
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

void ToProto(const LaneStatus& lane, const ScanSpace* space, v1::Lane* out) {
  out->set_id(lane.id.value);
  out->set_vantage(lane.vantage);
  ToProto(lane.ledger, lane.planned, out->mutable_ledger());
  out->set_leased(lane.leased);
  out->set_owed(lane.owed);
  out->set_pending(lane.pending);
  out->set_finished(lane.finished);
  out->set_without_agent_since_unix_us(ToUnixMicros(lane.without_agent_since));
  for (const Gap& gap : lane.missing) {
    v1::MissingRange* m = out->add_missing();
    m->mutable_range()->set_begin(gap.range.begin);
    m->mutable_range()->set_end(gap.range.end);
    m->set_cause(std::string(ReasonName(gap.cause)));
    if (space != nullptr && gap.range.begin < space->size()) {
      const ScanSpace::Endpoint e = space->At(gap.range.begin);
      m->set_example(FormatEndpoint(e.address, e.port));
    }
  }
}

void ToProto(const ScanStatus& status, v1::Scan* out) {
  out->set_id(status.id);
  SpecToProto(*status.spec, out->mutable_spec());
  out->set_state(StateToProto(status.state));
  out->set_status_message(status.message);
  out->set_created_unix_us(ToUnixMicros(status.created));
  out->set_started_unix_us(ToUnixMicros(status.started));
  out->set_finished_unix_us(ToUnixMicros(status.finished));
  out->set_addresses(status.addresses);
  out->set_target_names(status.target_names);
  out->set_names_skipped(status.spec->names_skipped);
  for (const SkippedName& name : status.spec->skipped_names) {
    v1::SkippedName* skipped = out->add_skipped_names();
    skipped->set_name(name.name);
    skipped->set_problem(static_cast<v1::LookupProblem>(name.problem));
  }
  ToProto(status.ledger, status.planned, out->mutable_ledger());
  for (const LaneStatus& lane : status.lanes)
    ToProto(lane, status.spec->space.get(), out->add_lanes());
  out->set_overlay_version(status.overlay.version);
  for (const ScopeRule& rule : status.overlay.rules) out->add_overlay(rule.text);
  out->set_rate(status.rate);
  out->set_monitor(status.spec->monitor);
  out->set_agents(status.agents);
  out->set_eta_s(status.eta_s);
}

void ToProto(const AgentStatus& agent, v1::Agent* out) {
  out->set_name(agent.name);
  out->set_vantage(agent.vantage);
  out->set_version(agent.details.version);
  out->set_engine(agent.details.engine);
  out->set_live(agent.live);
  out->set_draining(agent.draining);
  out->set_last_seen_unix_us(ToUnixMicros(agent.last_seen));
  out->set_measured_rate(agent.measured_rate);
  out->set_max_rate(agent.max_rate);
  out->set_window(agent.details.window);
  out->set_leases(agent.leases);
  out->set_leased_positions(agent.leased_positions);
  out->set_peer(agent.details.peer);
  for (const std::string& line : agent.details.scope) out->add_scope(line);
  out->set_limited_by(agent.details.limited_by);
  out->set_probes_sent(agent.details.probes_sent);
  out->set_spool_bytes(agent.details.spool_bytes);
  out->set_local_failures(agent.details.local_failures);
  if (agent.clock_skew_s.has_value()) out->set_clock_skew_s(*agent.clock_skew_s);
  out->set_times_replaced(agent.times_replaced);
  for (const std::string& rival : agent.rival_peers) out->add_rival_peers(rival);
  out->set_away_reason(agent.away_reason);
  if (agent.details.certificate.has_value())
    out->set_certificate_not_after_unix_us(ToUnixMicros(agent.details.certificate->not_after));
}

void ToProto(const Control::LeaseStatus& status, v1::LeaseInfo* out) {
  const Scheduler::LeaseView& lease = status.lease;
  out->set_token(lease.token.value);
  out->set_lane_id(lease.lane.value);
  out->set_scan_id(lease.scan);
  out->set_agent(lease.agent);
  for (size_t i = 0; i < lease.ranges.size() && i < kMaxLeaseRanges; ++i) {
    v1::IndexRange* r = out->add_ranges();
    r->set_begin(lease.ranges[i].begin);
    r->set_end(lease.ranges[i].end);
  }
  out->set_positions(lease.positions);
  out->set_outstanding(lease.outstanding);
  out->set_unprobed(lease.unprobed);
  out->set_attempt(lease.attempt);
  out->set_expires_in_s(status.expires_in_s);
}

void ToProto(const ResultPage& page, v1::ListObservationsResponse* out) {
  for (const Observation& o : page.observations) {
    v1::Observation* p = out->add_observations();
    p->set_vantage(o.vantage);
    p->set_address(o.address.ToBytes());
    if (!o.names.empty()) p->set_name(o.names[0]);
    for (const std::string& name : o.names) p->add_names(name);
    p->set_port(o.port);
    p->set_state(ToProto(o.state));
    p->set_reason(std::string(ReasonName(o.reason)));
    if (o.rtt_us.has_value()) p->set_rtt_us(*o.rtt_us);
    p->set_unix_us(ToUnixMicros(o.when));
    p->set_time_of_receipt(o.time_of_receipt);
    p->set_agent(o.agent);
    if (o.source.has_value()) p->set_source(o.source->ToBytes());
    if (o.host_finding.has_value())
      p->set_host_finding(static_cast<v1::HostFindingKind>(*o.host_finding));
  }
  out->set_next_page_token(page.next_page_token);
}

void ToProto(const FindingRows& rows, v1::ListHostFindingsResponse* out) {
  for (const FindingRow& row : rows.findings) {
    v1::HostFindingRow* r = out->add_findings();
    ToProto(row.finding, r->mutable_finding());
    r->set_vantage(row.vantage);
    if (!row.names.empty()) r->set_name(row.names[0]);
    for (const std::string& name : row.names) r->add_names(name);
    r->set_agent(row.agent);
    r->set_open_ports(row.open_ports);
    r->set_ports(row.ports);
    r->set_time_of_receipt(row.time_of_receipt);
  }
  out->set_next_page_token(rows.next_page_token);
  out->set_total(rows.total);
  out->set_dropped(rows.dropped);
}

absl::StatusOr<Control::ResultRequest> FromProto(const v1::ListObservationsRequest& request,
                                                 size_t page_size) {
  Control::ResultRequest out;
  for (const int state : request.states()) {
    switch (state) {
      case v1::PORT_STATE_OPEN:
        out.states.push_back(State::kOpen);
        break;
      case v1::PORT_STATE_CLOSED:
        out.states.push_back(State::kClosed);
        break;
      case v1::PORT_STATE_FILTERED:
        out.states.push_back(State::kFiltered);
        break;
      case v1::PORT_STATE_UNREACHABLE:
        out.states.push_back(State::kUnreachable);
        break;
      case v1::PORT_STATE_NOT_PROBED:
        out.states.push_back(State::kNotProbed);
        break;
      default:
        return InvalidArgument(
            "states {}: unknown; give open, closed, filtered, unreachable or not-probed", state);
    }
    if (out.states.size() > 100) return InvalidArgument("states: more than 100 entries");
  }
  out.targets.assign(request.targets().begin(), request.targets().end());
  out.ports = request.ports();
  if (static_cast<size_t>(request.vantages_size()) > kMaxVantageFilters)
    return InvalidArgument("vantages: more than {}", kMaxVantageFilters);
  out.vantages.assign(request.vantages().begin(), request.vantages().end());
  out.limit = page_size;
  out.without_everywhere_open = request.without_everywhere_open();
  return out;
}

absl::StatusOr<Control::ResultRequest> FromProto(const v1::ListHostFindingsRequest& request,
                                                 size_t page_size) {
  Control::ResultRequest out;
  out.targets.assign(request.targets().begin(), request.targets().end());
  if (static_cast<size_t>(request.vantages_size()) > kMaxVantageFilters)
    return InvalidArgument("vantages: more than {}", kMaxVantageFilters);
  out.vantages.assign(request.vantages().begin(), request.vantages().end());
  out.limit = page_size;
  return out;
}

absl::Status WithProblems(const absl::Status& status, size_t max_bytes) {
  const std::optional<TargetProblems> problems = ProblemsOf(status);
  if (!problems) return status;
  v1::TargetProblems out;
  out.set_total(problems->total());
  size_t bytes = 16;
  for (const TargetProblem& p : problems->first()) {
    v1::TargetProblem one;
    one.set_index(static_cast<uint32_t>(p.expression));
    one.set_exclude(p.exclude);
    one.set_entry(p.entry);
    one.set_problem(p.problem);
    if (p.lookup) one.set_lookup(static_cast<v1::LookupProblem>(*p.lookup));
    bytes += one.ByteSizeLong() + 4;
    if (bytes > max_bytes) break;
    *out.add_problems() = std::move(one);
  }
  absl::Status result = status;
  SetDetails(&result, out.SerializeAsString());
  return result;
}

absl::StatusOr<ExclusionRequest> FromProto(const v1::ExcludeFromScanRequest& request) {
  if (request.rules_size() == 0)
    return InvalidArgument(
        "rules: empty; name what to exclude, for example \"10.0.0.0/8\" or \"10.0.0.1 22,80\"");
  if (request.rules_size() > kMaxRules)
    return InvalidArgument("rules: {} of them; at most {} are allowed", request.rules_size(),
                           kMaxRules);
  return ExclusionRequest::Parse({request.rules().begin(), request.rules().end()});
}

}  // namespace portolan
