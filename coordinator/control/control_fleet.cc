#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// Agents: their long polls, and their directory.
namespace portolan {
// ---- Synchronize ----

void Control::Synchronize(uint64_t id, AgentCall call, Done<SyncAnswer> done) {
  auto shared = std::make_shared<AgentCall>(std::move(call));
  calls_.OnControl<SyncAnswer>(std::move(done), [this, id, shared](Done<SyncAnswer> d) {
    DoSynchronize(id, std::move(*shared), std::move(d));
  });
}

void Control::DoSynchronize(uint64_t id, AgentCall call, Done<SyncAnswer> done) {
  if (stopping_) return done(ControlCalls::Stopping());
  AgentReport report = std::move(call.report);
  if (call.epoch_seen != epoch_) report.revision_seen = 0;
  const uint64_t room = report.room;
  if (Throttled()) {
    report.room = 0;
    turned_away_ = true;
  }
  absl::StatusOr<SyncDecision> decision =
      scheduler_->Synchronize(report, clock_.Now(), clock_.Wall());
  const bool can_wait = call.sent != WallTime();
  if (!decision.ok() || decision->wait > Duration::zero() || decision->left) {
    if (!decision.ok()) {
      done(absl::IsAlreadyExists(decision.status())
               ? OnRefused(report, call.details, can_wait, decision.status())
               : decision.status());
    } else if (decision->left) {
      OnLeft(report);
      SyncAnswer answer{epoch_, options_.scheduler.lease_term, *std::move(decision), {}};
      done(std::move(answer));
    } else if (!can_wait) {
      // It would take the answer for that of a fleet without work, and call without a pause.
      done(
          Unavailable("agent \"{}\": another process of this name has called a moment ago; this "
                      "one waits until that one is known to be gone",
                      report.name));
    } else {
      done(SyncAnswer{epoch_, options_.scheduler.lease_term, *std::move(decision), {}});
    }
    Settle();
    return;
  }
  report.room = room;
  auto [it, fresh] = agents_.try_emplace(report.name);
  AgentEntry& entry = it->second;
  const bool is_new = fresh || entry.report.incarnation != report.incarnation;
  if (is_new) {
    Log(LogLevel::kInfo, "agent connected",
        {{"agent", report.name},
         {"vantage", report.vantage},
         {"version", call.details.version},
         {"peer", call.details.peer},
         {"certificate_not_after", call.details.certificate.has_value()
                                       ? CertificateTimeText(call.details.certificate->not_after)
                                       : "none"}});
    entry.skew = ClockSkew();
    if (!fresh) {
      EndCall(entry, Aborted("agent \"{}\": a newer process of this name has registered; stop, or "
                             "run it under another --name",
                             report.name));
      if (auto stream = streams_.find(entry.report_stream);
          stream != streams_.end() && stream->second.incarnation != report.incarnation) {
        EndReport(
            entry.report_stream,
            Aborted("agent \"{}\": a newer process of this name has registered", report.name));
      }
    }
  } else {
    EndCall(entry, Cancelled("a newer call of this agent took its place"));
    NoteRenewal(report, entry.details, call.details);
  }
  if (can_wait) entry.skew.Add(call.sent, call.received);
  entry.away_reason.clear();
  NoteVantage(report.vantage);
  entry.report = std::move(report);
  entry.details = std::move(call.details);
  entry.last_seen = clock_.Wall();
  entry.call = SyncCall{id, std::move(done), 0, std::nullopt, {}};
  Deliver(entry, *std::move(decision), false);
  TryAccept(entry.report_stream);
  Settle();
}

// Answers, parks, or lets the answer wait until the leases that it tells of are committed: after a
// crash, a token that was told but not stored would be given to another.
void Control::Deliver(AgentEntry& entry, SyncDecision decision, bool answer_anyhow) {
  SyncCall& call = *entry.call;
  if (!decision.news && !answer_anyhow) return AnswerInTime(entry);
  SyncAnswer answer;
  answer.epoch = epoch_;
  answer.lease_term = options_.scheduler.lease_term;
  for (const ScanContextRef& ref : decision.contexts) {
    const std::optional<Scheduler::ScanContext> scan = scheduler_->GetContext(ref.scan);
    if (scan.has_value())
      answer.contexts.push_back({ref.scan, scan->spec, ref.with_space, *scan->overlay});
  }
  Token newest;
  for (const GrantedLease& lease : decision.leases) newest = std::max(newest, lease.token);
  answer.decision = std::move(decision);
  if (newest >= committed_next_token_) {
    call.answer = std::move(answer);
    call.needs = newest;
    waiting_for_commit_.insert(entry.report.name);
    return AnswerInTime(entry);
  }
  EndCall(entry, std::move(answer));
}

void Control::AnswerInTime(AgentEntry& entry) {
  SyncCall& call = *entry.call;
  if (call.timer != 0) return;
  call.timer = runner_.PostAfter(
      options_.scheduler.lease_term / 3, [this, name = entry.report.name, id = call.id] {
        auto it = agents_.find(name);
        if (it == agents_.end() || !it->second.call.has_value() || it->second.call->id != id)
          return;
        it->second.call->timer = 0;
        if (it->second.call->answer.has_value()) {
          RenewOnly(it->second);
        } else {
          Resynchronize(name, true);
        }
        Settle();
      });
}

// The commit takes long (a slow disk, a long queue before it). The agent must not lose the leases
// that it holds for that: it is told of them again, as under the revision that it has seen, so that
// what is new comes with a later answer.
void Control::RenewOnly(AgentEntry& entry) {
  SyncAnswer answer = *std::move(entry.call->answer);
  std::erase_if(answer.decision.leases,
                [this](const GrantedLease& l) { return l.token >= committed_next_token_; });
  answer.decision.revision = entry.report.revision_seen;
  EndCall(entry, std::move(answer));
}

// The agent's last report once more: something changed that concerns it, or it has waited long
// enough.
void Control::Resynchronize(const std::string& name, bool answer_anyhow) {
  auto it = agents_.find(name);
  if (it == agents_.end() || !it->second.call.has_value() || it->second.call->answer.has_value())
    return;
  AgentReport report = it->second.report;
  if (Throttled()) {
    report.room = 0;
    turned_away_ = true;
  }
  absl::StatusOr<SyncDecision> decision =
      scheduler_->Synchronize(report, clock_.Now(), clock_.Wall());
  if (!decision.ok()) {
    EndCall(it->second, decision.status());
  } else {
    Deliver(it->second, *std::move(decision), answer_anyhow);
  }
}

void Control::EndCall(AgentEntry& entry, absl::StatusOr<SyncAnswer> answer) {
  if (!entry.call.has_value()) return;
  SyncCall call = std::move(*entry.call);
  entry.call.reset();
  if (call.timer != 0) runner_.CancelTimer(call.timer);
  waiting_for_commit_.erase(entry.report.name);
  call.done(std::move(answer));
}

void Control::ReleaseCommitted() {
  std::vector<std::string> ready;
  for (const std::string& name : waiting_for_commit_) {
    const auto it = agents_.find(name);
    if (it == agents_.end() || !it->second.call.has_value() ||
        it->second.call->needs < committed_next_token_)
      ready.push_back(name);
  }
  for (const std::string& name : ready) {
    waiting_for_commit_.erase(name);
    auto it = agents_.find(name);
    if (it == agents_.end() || !it->second.call.has_value() || !it->second.call->answer.has_value())
      continue;
    SyncAnswer answer = *std::move(it->second.call->answer);
    EndCall(it->second, std::move(answer));
  }
}

void Control::CancelSynchronize(const std::string& agent, uint64_t id) {
  runner_.Post([this, agent, id] {
    auto it = agents_.find(agent);
    if (it == agents_.end() || !it->second.call.has_value() || it->second.call->id != id) return;
    EndCall(it->second, Cancelled("cancelled by the caller"));
    NoteDisconnected(agent, it->second);
  });
}

// Neither a call nor a stream of it is open. An agent that lives calls again within moments.
void Control::NoteDisconnected(const std::string& name, const AgentEntry& entry) {
  if (!entry.call.has_value() && entry.report_stream == 0)
    scheduler_->SetConnected(name, false, clock_.Now());
}

// ---- the directory ----

void Control::ForgetAgents() {
  std::set<std::string> known;
  for (const Scheduler::AgentView& a : scheduler_->ListAgents()) known.insert(a.name);
  std::erase_if(agents_, [&](const auto& item) {
    return !item.second.call.has_value() && item.second.report_stream == 0 &&
           known.count(item.first) == 0;
  });
}

AgentStatus Control::StatusOfAgent(const Scheduler::AgentView& view) const {
  AgentStatus out;
  out.name = view.name;
  out.vantage = view.vantage;
  out.live = view.live;
  out.draining = view.draining;
  out.last_seen = clock_.Wall() - std::chrono::duration_cast<std::chrono::microseconds>(
                                      clock_.Now() - view.last_seen);
  out.measured_rate = view.measured_rate;
  out.max_rate = view.max_rate;
  out.leases = view.leases;
  out.leased_positions = view.leased_positions;
  out.left = view.left;
  const auto it = agents_.find(view.name);
  if (it == agents_.end()) return out;
  const AgentEntry& entry = it->second;
  out.details = entry.details;
  if (entry.last_seen != WallTime()) out.last_seen = entry.last_seen;
  out.rival_peers = entry.rivals.Hosts(clock_.Now());
  if (const std::optional<ClockDifference> ahead = entry.skew.ahead()) {
    out.clock_skew_s = ToSeconds(*ahead);
    out.times_replaced = TimeJudge::IsBeyond(*ahead);
  }
  if (out.live) return out;
  const std::optional<CertificateFacts>& certificate = entry.details.certificate;
  if (!entry.away_reason.empty()) {
    out.away_reason = entry.away_reason;
  } else if (certificate.has_value() && certificate->not_after <= clock_.Wall()) {
    out.away_reason =
        fmt::format("its certificate ended at {}", CertificateTimeText(certificate->not_after));
  } else if (view.disconnected != kNever) {
    out.away_reason = "its connection was closed: it ended, or lost its way here";
  }
  return out;
}

void Control::ListAgents(Done<std::vector<AgentStatus>> done) {
  calls_.OnControl<std::vector<AgentStatus>>(
      std::move(done), [this](Done<std::vector<AgentStatus>> d) {
        std::vector<AgentStatus> out;
        for (const Scheduler::AgentView& a : scheduler_->ListAgents())
          out.push_back(StatusOfAgent(a));
        std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
          return std::tie(a.vantage, a.name) < std::tie(b.vantage, b.name);
        });
        d(std::move(out));
      });
}

void Control::DrainAgent(const std::string& name, bool undo, Done<AgentStatus> done) {
  calls_.OnControl<AgentStatus>(std::move(done), [this, name, undo](Done<AgentStatus> d) {
    const absl::Status status = scheduler_->Drain(name, undo, clock_.Now());
    if (status.ok())
      Log(LogLevel::kInfo, undo ? "agent may work again" : "agent drains", {{"agent", name}});
    Settle({}, [this, name, status, d = std::move(d)](const absl::Status& committed) {
      if (!status.ok() || !committed.ok()) return d(status.ok() ? committed : status);
      for (const Scheduler::AgentView& a : scheduler_->ListAgents()) {
        if (a.name == name) return d(StatusOfAgent(a));
      }
      d(NotFound("agent \"{}\": gone", name));
    });
  });
}

void Control::ListLeases(const std::string& ref, const std::string& agent,
                         Done<std::vector<LeaseStatus>> done) {
  using Leases = std::vector<LeaseStatus>;
  const auto list = [this, agent](const ScanId& id, Done<Leases> later) {
    calls_.OnControl<Leases>(std::move(later), [this, agent, id](Done<Leases> d) {
      Leases out;
      const Time now = clock_.Now();
      for (Scheduler::LeaseView& lease : scheduler_->ListLeases(id, agent)) {
        const double left = lease.expires == kNever ? 0 : ToSeconds(lease.expires - now);
        out.push_back({std::move(lease), std::max(0.0, left)});
      }
      d(std::move(out));
    });
  };
  if (ref.empty()) {
    list("", std::move(done));
  } else {
    finder_.With<Leases>(ref, std::move(done), list);
  }
}

}  // namespace portolan
