#include "coordinator/control/scan_status.h"

#include <fmt/format.h>

#include <ctime>

namespace portolan {
namespace {

std::string TimeOfDay(WallTime t) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:02}:{:02}:{:02}Z", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

// Which lanes wait for an agent, for people.
std::string MissingAgents(const ScanStatus& status) {
  if (IsFinished(status.state) || status.state == ScanState::kCancelling) return "";
  std::string out;
  for (const LaneStatus& lane : status.lanes) {
    if (lane.finished || lane.without_agent_since == WallTime()) continue;
    if (!out.empty()) out += "; ";
    if (!lane.vantage.empty()) {
      out += fmt::format("no agent of vantage \"{}\" since {}", lane.vantage,
                         TimeOfDay(lane.without_agent_since));
    } else if (status.spec->vantages.empty()) {
      out += fmt::format("no agent since {}", TimeOfDay(lane.without_agent_since));
    } else {
      out += fmt::format("no agent of its vantages since {}", TimeOfDay(lane.without_agent_since));
    }
    if (out.size() > 500) return out + "; ...";
  }
  return out;
}

}  // namespace

ScanStatus StatusOfView(const Scheduler::ScanView& view, double rate,
                        const std::string& store_trouble, Time now, WallTime wall) {
  ScanStatus out;
  out.id = view.id;
  out.spec = view.spec;
  out.state = view.state;
  out.created = view.created;
  out.started = view.started;
  out.finished = view.finished;
  out.addresses = view.spec->space->address_count();
  out.target_names = static_cast<uint32_t>(view.spec->names.size());
  out.ledger = view.ledger;
  out.overlay = view.overlay;
  out.agents = view.agents;
  for (const Scheduler::LaneView& lane : view.lanes) {
    LaneStatus l{lane.id,   lane.vantage, lane.ledger,   lane.planned, lane.leased,
                 lane.owed, lane.pending, lane.finished, lane.gaps,    WallTime()};
    if (lane.without_agent_since != kNever && !lane.finished) {
      l.without_agent_since = wall - std::chrono::duration_cast<std::chrono::microseconds>(
                                         now - lane.without_agent_since);
    }
    out.planned += lane.planned;
    out.lanes.push_back(std::move(l));
  }
  if (!IsFinished(out.state)) {
    out.rate = rate;
    const uint64_t done = out.ledger.Done();
    if (rate > 0 && done < out.planned) out.eta_s = static_cast<double>(out.planned - done) / rate;
    out.message = store_trouble;
    const std::string agents = MissingAgents(out);
    if (!agents.empty()) out.message += (out.message.empty() ? "" : "; ") + agents;
  }
  return out;
}

ScanStatus StatusOfSummary(const ScanSummary& summary) {
  const ScanRecord& r = summary.record;
  ScanStatus out;
  out.id = r.id;
  out.spec = r.spec;
  out.state = r.state;
  out.created = r.created;
  out.started = r.started;
  out.finished = r.finished;
  out.addresses = summary.addresses;
  out.target_names = summary.target_names;
  out.overlay = r.overlay;
  for (const LaneRecord& lane : r.lanes) {
    LaneStatus l;
    l.id = lane.id;
    l.vantage = lane.vantage;
    l.ledger = lane.ledger;
    l.planned = summary.positions;
    l.finished = lane.finished;
    l.missing = lane.gaps;
    if (l.missing.size() > 1000) l.missing.resize(1000);
    if (!lane.finished) l.pending = summary.positions - lane.ledger.Done();
    out.planned += l.planned;
    out.ledger.Add(lane.ledger);
    out.lanes.push_back(std::move(l));
  }
  return out;
}

}  // namespace portolan
