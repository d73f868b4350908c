#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "coordinator/control/control.h"

// Agents' streams of results: judged, stored, acknowledged after the commit.
namespace portolan {
namespace {

// told with one acknowledgement; an agent learns of the others by Synchronize
constexpr size_t kMaxFencedTokens = 10'000;

}  // namespace

uint64_t Control::OpenReport(std::string agent, std::string incarnation,
                             std::shared_ptr<ReportPeer> peer) {
  const uint64_t id = NextCallId();
  const bool posted = !stopping_ && runner_.TryPost([this, id, agent = std::move(agent),
                                                     incarnation = std::move(incarnation), peer] {
    if (stopping_) return peer->End(ControlCalls::Stopping());
    if (streams_.size() >= 2 * options_.scheduler.max_agents)
      return peer->End(ResourceExhausted("too many report streams; try again later"));
    auto [it, fresh] = agents_.try_emplace(agent);
    AgentEntry& entry = it->second;
    if (!fresh && !entry.report.incarnation.empty() && entry.report.incarnation != incarnation) {
      // A newer process has registered, or this one has not yet done so; only Synchronize can tell
      // which.
      return peer->End(Unavailable(
          "agent \"{}\": another process of this name is registered; call Synchronize first",
          agent));
    }
    if (entry.report_stream != 0)
      EndReport(entry.report_stream, Cancelled("a newer stream of this agent took its place"));
    ReportStream& stream = streams_[id];
    stream.agent = agent;
    stream.incarnation = incarnation;
    stream.peer = peer;
    entry.report_stream = id;
    if (entry.report.incarnation == stream.incarnation)
      scheduler_->SetConnected(stream.agent, true, clock_.Now());
    TryAccept(id);
  });
  if (!posted) peer->End(stopping_ ? ControlCalls::Stopping() : ControlCalls::Busy());
  return id;
}

void Control::TryAccept(uint64_t id) {
  auto it = streams_.find(id);
  if (it == streams_.end() || it->second.accepted) return;
  const auto agent = agents_.find(it->second.agent);
  if (agent == agents_.end() || agent->second.report.incarnation != it->second.incarnation) return;
  it->second.accepted = true;
  it->second.peer->Accepted();
}

void Control::Report(uint64_t id, uint64_t seq, ParsedBatch batch, size_t bytes) {
  ingest_bytes_ += bytes;
  auto shared = std::make_shared<ParsedBatch>(std::move(batch));
  // Bounded by the streams' credit.
  if (!runner_.Post(
          [this, id, seq, shared, bytes] { DoReport(id, seq, std::move(*shared), bytes); }))
    ingest_bytes_ -= bytes;
}

void Control::DoReport(uint64_t id, uint64_t seq, ParsedBatch batch, size_t bytes) {
  const auto forget = [this, bytes] {
    const size_t before = ingest_bytes_.fetch_sub(bytes);
    if (before >= options_.max_backlog_bytes && before - bytes < options_.max_backlog_bytes)
      ResumeReports();
  };
  auto it = streams_.find(id);
  if (it == streams_.end() || !it->second.failed.ok()) return forget();
  ReportStream& stream = it->second;
  if (seq != stream.next_seq) {
    forget();
    return EndReport(id, InvalidArgument("batch.seq {}: expected {}", seq, stream.next_seq));
  }
  if (seq - stream.acked > kReportCredit) {
    forget();
    return EndReport(id, InvalidArgument("batch.seq {}: more than {} batches unacknowledged", seq,
                                         kReportCredit));
  }
  ++stream.next_seq;
  const std::string agent = stream.agent;
  const AgentEntry& entry = agents_[agent];
  const std::string vantage = entry.report.vantage;
  TimeJudge(entry.skew.ahead(), clock_.Wall()).Apply(batch);
  absl::StatusOr<IngestResult> result =
      ingest_->Apply(agent, vantage, std::move(batch), clock_.Now(), clock_.Wall());
  if (!result.ok()) {
    forget();
    --stream.next_seq;
    Log(LogLevel::kWarning, "batch refused",
        {{"agent", agent}, {"reason", std::string(Message(result.status()))}});
    stream.failed = result.status();
    if (stream.acked + 1 == stream.next_seq) EndReport(id, result.status());
    return Settle();
  }
  auto shared = std::make_shared<IngestResult>(std::move(*result));
  Settle(std::move(shared->batch), [this, id, seq, shared, forget](const absl::Status& status) {
    forget();
    if (!status.ok()) return;  // stopping: the stream has been ended
    for (const FinishedGroup& group : shared->finished) compactor_->Offer(group);
    OnReportCommitted(id, seq, shared->fenced);
  });
}

void Control::OnReportCommitted(uint64_t id, uint64_t seq, const std::vector<Token>& fenced) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  ReportStream& stream = it->second;
  stream.acked = seq;
  std::vector<Token> tell(fenced.begin(), fenced.begin() + static_cast<ptrdiff_t>(std::min(
                                                               fenced.size(), kMaxFencedTokens)));
  stream.peer->Acked(seq, std::move(tell));
  if (!stream.failed.ok() && stream.acked + 1 == stream.next_seq) EndReport(id, stream.failed);
}

void Control::RejectReport(uint64_t id, uint64_t seq, absl::Status why) {
  runner_.Post([this, id, seq, why = std::move(why)] {
    auto it = streams_.find(id);
    if (it == streams_.end() || !it->second.failed.ok()) return;
    ++malformed_;
    Log(LogLevel::kWarning, "batch refused",
        {{"agent", it->second.agent}, {"reason", std::string(Message(why))}});
    it->second.failed = why;
    // The agent finds the bad batch by being the first that was not acknowledged.
    if (it->second.acked + 1 == it->second.next_seq || seq == 0) EndReport(id, why);
  });
}

void Control::CloseReport(uint64_t id) {
  runner_.Post([this, id] {
    auto it = streams_.find(id);
    if (it == streams_.end()) return;
    if (auto agent = agents_.find(it->second.agent);
        agent != agents_.end() && agent->second.report_stream == id) {
      agent->second.report_stream = 0;
      NoteDisconnected(agent->first, agent->second);
    }
    streams_.erase(it);
  });
}

void Control::EndReport(uint64_t id, absl::Status why) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const std::shared_ptr<ReportPeer> peer = it->second.peer;
  if (auto agent = agents_.find(it->second.agent);
      agent != agents_.end() && agent->second.report_stream == id)
    agent->second.report_stream = 0;
  streams_.erase(it);
  peer->End(std::move(why));
}

void Control::ResumeReports() {
  if (!MayRead()) return;
  for (auto& [id, stream] : streams_) {
    if (stream.accepted) stream.peer->Resume();
  }
}

}  // namespace portolan
