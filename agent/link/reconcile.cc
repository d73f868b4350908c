#include "agent/link/reconcile.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

bool AnyInForce(const LinkState& state, Time now) {
  return std::any_of(state.leases.begin(), state.leases.end(),
                     [now](const auto& l) { return !l.second.revoked && l.second.deadline > now; });
}

std::shared_ptr<const ScanContext> Merge(const ScanContext* old, const DesiredContext& desired) {
  ScanContext out;
  out.scan = desired.scan;
  if (desired.space != nullptr) {
    out.space = desired.space;
    out.timing = desired.timing;
    out.confirm_ports = desired.confirm_ports;
  } else {
    out.space = old->space;
    out.timing = old->timing;
    out.confirm_ports = old->confirm_ports;
  }
  // An overlay only grows: an older one, in an answer that was overtaken, must not open what was
  // closed.
  const bool newer = old == nullptr || desired.space != nullptr ||
                     desired.overlay->version >= old->overlay->version;
  out.overlay = newer ? desired.overlay : old->overlay;
  return std::make_shared<const ScanContext>(std::move(out));
}

void ApplyContexts(LinkState& state, const DesiredState& desired, Actions& actions) {
  for (const DesiredContext& c : desired.contexts) {
    auto it = state.contexts.find(c.scan);
    const ScanContext* old = it == state.contexts.end() ? nullptr : it->second.get();
    if (old == nullptr && c.space == nullptr) {
      actions.problems.push_back(
          fmt::format("scan {}: an overlay without the scan's space", c.scan));
      continue;
    }
    if (old != nullptr && c.space == nullptr && c.overlay->version == old->overlay->version)
      continue;
    state.contexts[c.scan] = Merge(old, c);
    actions.contexts.push_back(state.contexts[c.scan]);
  }
}

}  // namespace

AgentStatement LinkState::Says() const {
  AgentStatement out;
  for (const auto& [token, lease] : leases) out.leases.insert(token);
  for (const auto& [scan, context] : contexts) out.scans.insert(scan);
  return out;
}

std::vector<std::string> LinkState::DropUnusedContexts(Time now, Duration keep) {
  std::set<std::string> used;
  for (const auto& [token, lease] : leases) used.insert(lease.scan);
  std::vector<std::string> dropped;
  for (auto it = contexts.begin(); it != contexts.end();) {
    if (used.contains(it->first)) {
      unused_since.erase(it->first);
      ++it;
      continue;
    }
    const Time since = unused_since.emplace(it->first, now).first->second;
    if (now - since < keep) {
      ++it;
      continue;
    }
    dropped.push_back(it->first);
    shares.erase(it->first);
    fractions.erase(it->first);
    unused_since.erase(it->first);
    it = contexts.erase(it);
  }
  return dropped;
}

Actions Reconcile(LinkState& state, const AgentStatement& asked, const DesiredState& desired,
                  Time sent) {
  Actions actions;
  if (desired.epoch < state.epoch && AnyInForce(state, sent)) {
    actions.stale = true;
    actions.problems.push_back(fmt::format("answer of epoch {} after one of epoch {}: ignored",
                                           desired.epoch, state.epoch));
    return actions;
  }
  const bool other_epoch = desired.epoch != state.epoch || desired.revision < state.revision;
  const Time deadline = sent + desired.lease_term;

  std::map<Token, const DesiredLease*> wanted;
  for (const DesiredLease& l : desired.leases) wanted[l.token] = &l;

  for (auto& [token, held] : state.leases) {
    const auto w = wanted.find(token);
    const bool same =
        w != wanted.end() && w->second->scan == held.scan && w->second->lane == held.lane;
    if (same || held.revoked || !asked.leases.contains(token)) continue;
    held.revoked = true;
    actions.revoke.push_back(token);
  }

  ApplyContexts(state, desired, actions);

  const Token highest = other_epoch ? Token{} : state.highest;
  for (const DesiredLease& l : desired.leases) {
    if (auto it = state.leases.find(l.token); it != state.leases.end()) {
      LinkState::Lease& held = it->second;
      if (held.revoked) continue;  // its work was given up
      if (held.scan != l.scan || held.lane != l.lane)
        continue;  // not asked about: the next answer settles it
      if (!l.ranges.Contains(held.ranges)) {
        held.ranges = held.ranges.Intersection(l.ranges);
        actions.shrink.emplace_back(l.token, held.ranges);
      }
      // Answers come in the order of their requests, so a deadline never goes back.
      held.deadline = std::max(held.deadline, deadline);
      actions.renew.emplace_back(l.token, held.deadline);
      continue;
    }
    if (l.token <= highest || asked.leases.contains(l.token)) continue;
    if (l.ranges.empty()) continue;
    if (!state.contexts.contains(l.scan)) {
      actions.problems.push_back(
          fmt::format("lease {}: scan {} was not described; given back", l.token.value, l.scan));
      continue;
    }
    state.leases[l.token] = {l.scan, l.lane, l.ranges, deadline};
    actions.grant.push_back({l.token, l.lane, l.scan, l.ranges, l.attempt, deadline});
  }

  state.highest = highest;
  for (const auto& [token, lease] : wanted) state.highest = std::max(state.highest, token);
  state.epoch = desired.epoch;
  state.revision = desired.revision;
  state.drain = desired.drain;
  // A share that is not named any more is not a licence: it stays as it was until the scan's
  // context goes.
  for (const auto& [scan, rate] : desired.shares) {
    if (!state.contexts.contains(scan)) continue;
    state.shares[scan] = rate;
    const auto part = desired.fractions.find(scan);
    state.fractions[scan] = part == desired.fractions.end() ? 1 : part->second;
  }
  return actions;
}

}  // namespace portolan
