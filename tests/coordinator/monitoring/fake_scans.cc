#include "tests/coordinator/monitoring/fake_scans.h"

#include <fmt/ranges.h>

#include "common/base/check.h"
#include "common/base/status.h"

namespace portolan {
namespace {

std::shared_ptr<const Scope> AnyScope() {
  static const auto& scope = *new std::shared_ptr<const Scope>(new Scope(Scope::Default()));
  return scope;
}

std::string DigestOf(const ScanRequest& r) {
  return fmt::format("{}|{}|{}|{}|{}", r.name, fmt::join(r.targets, ","), r.ports,
                     fmt::join(r.vantages, ","), r.seed);
}

}  // namespace

void FakeScans::Set(const std::string& vantage, const std::string& address, uint16_t port,
                    bool open) {
  const std::pair<IpAddress, uint16_t> at{*IpAddress::Parse(address), port};
  if (open) {
    sights_[vantage].open.insert(at);
  } else {
    sights_[vantage].open.erase(at);
  }
}

ScanOutcomes::Outcome FakeScans::See(const Scan& scan, const std::string& vantage,
                                     const IpAddress& address, uint16_t port) {
  const auto it = scan.sights.find(vantage);
  static const Sight kNothing;
  const Sight& sight = it == scan.sights.end() ? kNothing : it->second;
  ScanOutcomes::Outcome out;
  out.when = scan.when;
  out.agent = "agent-" + vantage;
  if (sight.no_agent) {
    out.symbol = {State::kNotProbed, Reason::kNoAgent};
    out.agent.clear();
  } else if (sight.cut_off) {
    out.symbol = {State::kFiltered, Reason::kNoResponse};
  } else if (sight.answers_all || sight.open.count({address, port}) > 0) {
    out.symbol = {State::kOpen, Reason::kSynAck};
    out.rtt_us = 1234;
  } else {
    out.symbol = {State::kClosed, Reason::kConnRefused};
  }
  return out;
}

void FakeScans::Create(ScanRequest request, const std::string& key, Done<ScanStatus> done) {
  std::shared_ptr<const Scan> made;
  absl::Status error;
  {
    MutexLock lock(mu_);
    const auto before = key.empty() ? keys_.end() : keys_.find(key);
    if (fail_ > 0) {
      --fail_;
      error = Unavailable("the store is full");
    } else if (before != keys_.end()) {
      if (before->second.first != DigestOf(request)) {
        error = AlreadyExists("key \"{}\": was used for another scan", key);
      } else {
        made = scans_.at(before->second.second);
      }
    } else {
      PlanContext context;
      context.scope = AnyScope();
      const auto spec = PlanScan(request, context);
      if (!spec.ok()) {
        error = spec.status();
      } else {
        auto scan = std::make_shared<Scan>();
        scan->status.id = fmt::format("scan{:06}", scans_.size());
        scan->status.spec = *spec;
        scan->status.state = ScanState::kComplete;
        scan->sights = sights_;
        scan->when = clock_.Wall();
        const uint64_t n = (*spec)->space->size();
        for (const std::string& vantage : (*spec)->vantages) {
          LaneStatus& lane = scan->status.lanes.emplace_back();
          lane.vantage = vantage;
          lane.planned = n;
          lane.finished = true;
          for (uint64_t i = 0; i < n; ++i) {
            const ScanSpace::Endpoint e = (*spec)->space->At(i);
            lane.ledger.Count(See(*scan, vantage, e.address, e.port).symbol, 1);
          }
          scan->status.ledger.Add(lane.ledger);
          scan->status.planned += n;
        }
        if (scan->status.ledger.NotProbed() > 0) scan->status.state = ScanState::kPartial;
        requests_.push_back(request);
        if (!key.empty()) keys_[key] = {DigestOf(request), scan->status.id};
        scans_[scan->status.id] = scan;
        made = scan;
      }
    }
  }
  if (!error.ok()) return done(error);
  ScanStatus running = made->status;
  running.state = ScanState::kRunning;
  done(running);
}

absl::StatusOr<std::shared_ptr<const FakeScans::Scan>> FakeScans::Find(const std::string& id) {
  MutexLock lock(mu_);
  const auto it = scans_.find(id);
  if (it == scans_.end()) return NotFound("no scan \"{}\"", id);
  return it->second;
}

void FakeScans::Get(const std::string& id, Done<ScanStatus> done) {
  const auto scan = Find(id);
  if (!scan.ok()) return done(scan.status());
  done((*scan)->status);
}

void FakeScans::Cancel(const std::string&) {}

absl::StatusOr<ResultPage> FakeScans::OpenPorts(const std::string& id, const std::string&) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const Scan> scan, Find(id));
  ResultPage page;
  const ScanSpace& space = *scan->status.spec->space;
  for (const LaneStatus& lane : scan->status.lanes) {
    const auto sight = scan->sights.find(lane.vantage);
    if (sight == scan->sights.end() || sight->second.answers_all) continue;  // as findings
    for (uint64_t i = 0; i < space.size(); ++i) {
      const ScanSpace::Endpoint e = space.At(i);
      const ScanOutcomes::Outcome seen = See(*scan, lane.vantage, e.address, e.port);
      if (seen.symbol.state != State::kOpen) continue;
      Observation& o = page.observations.emplace_back();
      o.vantage = lane.vantage;
      o.address = e.address;
      o.port = e.port;
      o.reason = seen.symbol.reason;
      o.rtt_us = seen.rtt_us;
      o.when = seen.when;
      o.agent = seen.agent;
    }
  }
  return page;
}

absl::StatusOr<FindingRows> FakeScans::HostFindings(const std::string& id, const std::string&) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const Scan> scan, Find(id));
  FindingRows rows;
  for (const auto& [vantage, sight] : scan->sights) {
    if (!sight.answers_all) continue;
    for (const Block& block : scan->status.spec->space->blocks()) {
      for (uint128 i = 0; i < block.addresses.size(); ++i) {
        FindingRow& row = rows.findings.emplace_back();
        row.finding.kind = HostFindingKind::kAnswersEverywhere;
        row.finding.address = block.addresses.Select(i);
        row.vantage = vantage;
      }
    }
  }
  return rows;
}

absl::StatusOr<ScanClient::OutcomeReader> FakeScans::Outcomes(const std::string& id) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const Scan> scan, Find(id));
  return OutcomeReader(
      [scan](const std::string& vantage, const IpAddress& address,
             uint16_t port) -> absl::StatusOr<std::optional<ScanOutcomes::Outcome>> {
        if (!scan->status.spec->space->IndexOf(address, port).has_value()) return std::nullopt;
        return std::optional(See(*scan, vantage, address, port));
      });
}

absl::Status FakeScans::CheckScope(const ScanRequest& request) {
  PlanContext context;
  context.scope = AnyScope();
  return PlanScan(request, context).status();
}

}  // namespace portolan
