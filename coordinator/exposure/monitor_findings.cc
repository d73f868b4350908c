// What of a monitor's state is a finding.
#include <fmt/format.h>

#include <algorithm>

#include "common/net/service_catalogue.h"
#include "coordinator/exposure/monitor_exposure.h"

namespace portolan {
namespace {

FindingKey KeyOf(FindingKind kind, const std::string& vantage) {
  FindingKey key;
  key.kind = kind;
  key.rule = std::string(FindingKindName(kind));
  key.vantage = vantage;
  return key;
}

FindingKey KeyOf(FindingKind kind, const std::string& vantage, const Subject& subject) {
  FindingKey key = KeyOf(kind, vantage);
  key.target = subject.target;
  key.port = subject.port;
  return key;
}

IpAddress AddressOf(const TargetKey& target) {
  return target.address() == nullptr ? IpAddress() : *target.address();
}

// "22 (by port number ssh, Secure Shell remote login)"
std::string PortText(uint16_t port) {
  const Service* s = FindService(port);
  return s == nullptr ? fmt::format("{}", port)
                      : fmt::format("{} ({}, {})", port, ServiceByNumber(port), s->description);
}

}  // namespace

FindingBoard::Changes MonitorExposure::Evaluate(WallTime now) {
  findings_.Begin();
  for (const auto& [vantage, side] : config_.vantages) {
    OfferPorts(vantage, side, now);
    OfferVantage(vantage);
  }
  OfferMonitor(now);
  evaluated_ = now;
  stale_ = false;
  return findings_.End(now);
}

void MonitorExposure::OfferPorts(const std::string& vantage, VantageRole side, WallTime now) {
  const VantageBaseline& baseline = baselines_.at(vantage);
  for (const auto& [subject, record] : baseline.open) {
    if (!baseline.folded.empty() && baseline.folded.count(subject.target) > 0) continue;
    const ExposureRule* rule = config_.expectations.Find(subject, vantage, side, now);
    if (rule == nullptr || rule->action != ExpectAction::kMustNotBeOpen) continue;
    FindingKey key = KeyOf(FindingKind::kMustNotBeOpen, vantage, subject);
    key.rule = rule->id;
    findings_.Offer(key, [&, s = &subject, r = &record] {
      Finding f;
      f.severity = rule->severity;
      f.address = r->address;
      f.since = r->since;
      f.owner = rule->owner;
      f.text = fmt::format("port {} of {} is open from \"{}\" and must not be{}", PortText(s->port),
                           s->target.ToString(), vantage, BecauseText(*rule, s->port));
      f.remedy = RemedyText(*rule, *s);
      return f;
    });
  }
  // Only what was really observed is here: no outcome, quarantine and half a run say nothing.
  for (const auto& [subject, record] : baseline.not_open) {
    const ExposureRule* rule = config_.expectations.Find(subject, vantage, side, now);
    if (rule == nullptr || rule->action != ExpectAction::kMustBeOpen) continue;
    FindingKey key = KeyOf(FindingKind::kMustBeOpen, vantage, subject);
    key.rule = rule->id;
    findings_.Offer(key, [&, s = &subject, r = &record] {
      Finding f;
      f.severity = rule->severity;
      f.address = r->address;
      f.owner = rule->owner;
      f.text = fmt::format("port {} of {} is not open from \"{}\" ({}) and must be{}",
                           PortText(s->port), s->target.ToString(), vantage, SymbolText(r->symbol),
                           BecauseText(*rule, s->port));
      f.remedy = RemedyText(*rule, *s);
      return f;
    });
  }
}

void MonitorExposure::OfferVantage(const std::string& vantage) {
  const VantageBaseline& baseline = baselines_.at(vantage);
  const VantageHealth& health = health_.at(vantage);
  if (health.verdict.state == CanaryState::kQuarantined) {
    findings_.Offer(KeyOf(FindingKind::kQuarantined, vantage), [&] {
      Finding f;
      f.severity = Severity::kHigh;
      f.since = health.since;
      f.text =
          fmt::format("nothing that \"{}\" sees is believed: {}", vantage, health.verdict.reason);
      f.remedy =
          "check the agents there, their way out, and what was changed in between; the "
          "vantage comes back by itself once its canaries are as known";
      return f;
    });
  } else if (health.verdict.state == CanaryState::kUnknown &&
             baseline.runs > config_.canaries.stable_runs) {
    findings_.Offer(KeyOf(FindingKind::kNoCanaries, vantage), [&] {
      Finding f;
      f.severity = Severity::kInfo;
      f.text =
          fmt::format("nothing shows that \"{}\" sees right: {}", vantage, health.verdict.reason);
      f.remedy =
          "give the monitor at least three canaries: ports of which it is known that they "
          "are open, or closed";
      return f;
    });
  }
  if (baseline.mass) {
    findings_.Offer(KeyOf(FindingKind::kMassChange, vantage), [&] {
      Finding f;
      f.severity = Severity::kHigh;
      f.since = baseline.mass->since;
      f.text = fmt::format("too many changes at once from \"{}\" to confirm each: {}", vantage,
                           baseline.mass->ToString());
      f.remedy =
          "find what they have in common: a firewall, a proxy, a route, a monitor that was "
          "changed; if they are wanted, accept the next run as baseline";
      return f;
    });
  }
  for (const auto& [target, folded] : baseline.folded) {
    const bool proxy = folded.answers == HostAnswers::kSynProxy;
    FindingKey key =
        KeyOf(proxy ? FindingKind::kSynProxy : FindingKind::kAnswersEverywhere, vantage);
    key.target = target;
    findings_.Offer(key, [&, t = &target, since = folded.since] {
      Finding f;
      f.severity = Severity::kLow;
      f.address = AddressOf(*t);
      f.since = since;
      f.text = fmt::format("{} answers on every port from \"{}\"{}: its ports are not judged",
                           t->ToString(), vantage,
                           proxy ? ", through a proxy that completes every handshake" : "");
      f.remedy = "probe it from behind the proxy or load balancer, or leave it out of the monitor";
      return f;
    });
  }
}

void MonitorExposure::OfferMonitor(WallTime now) {
  OfferNames(now);
  for (const auto& [change, history] : confirmations_.state().history) {
    if (!history.flapping) continue;
    findings_.Offer(KeyOf(FindingKind::kFlapping, change.vantage, change.subject),
                    [&, c = &change, h = &history] {
                      Finding f;
                      f.severity = Severity::kLow;
                      f.address = h->now.address;
                      f.since = h->since;
                      f.text = fmt::format(
                          "{} changes too often from \"{}\": events are held back until it is "
                          "the same for some time",
                          c->subject.ToString(), c->vantage);
                      f.remedy =
                          "look for a service that restarts, a limit of connections, or two "
                          "machines behind one address";
                      return f;
                    });
  }
  for (const ExposureRule& rule : config_.expectations.rules()) {
    if (!ExpectationSet::IsExpired(rule, now)) continue;
    FindingKey key = KeyOf(FindingKind::kRuleExpired, "");
    key.rule = rule.id;
    findings_.Offer(key, [&] {
      Finding f;
      f.severity = Severity::kInfo;
      f.since = *rule.expires;
      f.owner = rule.owner;
      f.text = fmt::format("the expectation \"{}\" has expired and no longer applies{}", rule.id,
                           rule.reason.empty() ? "" : ": " + rule.reason);
      f.remedy = "renew it with another date, or remove it";
      return f;
    });
  }
}

bool MonitorExposure::RuleExpiredSince(WallTime then, WallTime now) const {
  const auto& rules = config_.expectations.rules();
  return std::any_of(rules.begin(), rules.end(), [&](const ExposureRule& rule) {
    return rule.expires && *rule.expires > then && *rule.expires <= now;
  });
}

}  // namespace portolan
