#include "bench/sim_agent.h"

#include <algorithm>

#include "common/base/clock.h"
#include "common/rpc/convert.h"
#include "common/scan/permutation.h"

namespace portolan::bench {
namespace {

constexpr int kQuarters = 4;
constexpr Duration kNothingToDo = std::chrono::milliseconds(100);
constexpr Duration kCatchUp = std::chrono::seconds(2);  // no more than this of what was missed
constexpr size_t kGrpcPrefix = 5;                       // bytes before each message
constexpr size_t kMaxScans = 16;                        // contexts kept

}  // namespace

struct SimAgent::SyncCall {
  grpc::ClientContext context;
  v1::SynchronizeRequest request;
  v1::SynchronizeResponse response;
};

SimAgent::SimAgent(SimOptions options, std::shared_ptr<grpc::Channel> channel,
                   const ChunkSource& maker, SimCounters& counters, TaskRunner* runner,
                   OnAnswer on_answer)
    : options_(std::move(options)),
      channel_(std::move(channel)),
      stub_(v1::FleetService::NewStub(channel_)),
      maker_(maker),
      counters_(counters),
      runner_(runner),
      on_answer_(std::move(on_answer)),
      random_(options_.seed) {
  for (int i = 0; i < 16; ++i) incarnation_.push_back(static_cast<char>(random_()));
}

void SimAgent::Start() {
  stub_->async()->Report(&report_context_, this);
  v1::ReportHello* hello = request_.mutable_hello();
  hello->set_agent(options_.name);
  hello->set_incarnation(incarnation_);
  StartWrite(&request_);
  StartRead(&response_);
  // MaybeWrite is also called outside of this stream's reactions.
  AddHold();
  StartCall();
  if (!options_.bare) Synchronize();
  if (options_.by_share) runner_->Post([this] { TickShares(); });
  if (!options_.paced) return;
  {
    MutexLock lock(mu_);
    next_tick_ = SystemClock().Now() + std::chrono::microseconds(random_() % 2'000'000);
  }
  runner_->PostAt(next_tick_, [this] { Tick(); });
}

void SimAgent::Quiesce() {
  MutexLock lock(mu_);
  quiesced_ = true;
}

bool SimAgent::quiet() const {
  MutexLock lock(mu_);
  return (sent_.empty() && queue_.empty() && !writing_) || report_ended_;
}

void SimAgent::Stop() {
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    stopping_ = true;
    if (sync_context_ != nullptr) sync_context_->TryCancel();
  }
  report_context_.TryCancel();
  ReleaseHold();
  MutexLock lock(mu_);
  while (!report_ended_ || sync_running_) ended_.Wait(mu_);
}

// No write is started any more; gRPC may end the stream.
void SimAgent::ReleaseHold() {
  {
    MutexLock lock(mu_);
    closing_ = true;
    if (starting_ || released_) return;  // MaybeWrite does it
    released_ = true;
  }
  RemoveHold();
}

grpc::Status SimAgent::failure() const {
  MutexLock lock(mu_);
  return failure_;
}

void SimAgent::Fail(const grpc::Status& status) {
  MutexLock lock(mu_);
  if (!stopping_ && failure_.ok()) failure_ = status;
}

// ---- Report ----

void SimAgent::OnWriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) return;  // OnDone tells why
  }
  MaybeWrite();
}

void SimAgent::OnReadDone(bool ok) {
  if (!ok) return ReleaseHold();
  {
    MutexLock lock(mu_);
    credit_ = std::max(response_.credit(), 1u);
    counters_.fenced += static_cast<uint64_t>(response_.fenced_tokens_size());
    Acked(response_.acked_seq());
  }
  StartRead(&response_);
  MaybeWrite();
}

void SimAgent::OnDone(const grpc::Status& status) {
  Fail(status.ok() ? grpc::Status(grpc::StatusCode::UNKNOWN, "the coordinator ended the stream")
                   : status);
  MutexLock lock(mu_);
  report_ended_ = true;
  ended_.NotifyAll();
}

void SimAgent::Acked(uint64_t seq) {
  acked_seq_ = std::max(acked_seq_, seq);
  while (!sent_.empty() && sent_.front().seq <= acked_seq_) {
    for (const auto& [token, positions] : sent_.front().done) {
      counters_.acked += positions;
      auto it = leases_.find(token);
      if (it == leases_.end()) continue;
      it->second.unacked -= std::min(it->second.unacked, positions);
      if (it->second.unacked == 0 && it->second.todo.empty() && piece_.token != token)
        leases_.erase(it);
    }
    counters_.acked_opens += sent_.front().opens;
    sent_.pop_front();
  }
}

void SimAgent::MaybeWrite() {
  {
    MutexLock lock(mu_);
    if (writing_ || stopping_ || closing_ || next_seq_ - 1 - acked_seq_ >= credit_ || !FillBatch())
      return;
    writing_ = starting_ = true;
    ++counters_.batches;
    counters_.report_bytes += request_.ByteSizeLong() + kGrpcPrefix;
  }
  StartWrite(&request_);
  {
    MutexLock lock(mu_);
    starting_ = false;
    if (!closing_ || released_) return;
    released_ = true;
  }
  RemoveHold();
}

bool SimAgent::FillBatch() {
  request_.Clear();
  Sent sent;
  if (options_.paced || options_.by_share) {
    if (queue_.empty()) return false;
    request_ = std::move(queue_.front());
    queue_.pop_front();
    v1::ReportBatch* batch = request_.mutable_batch();
    for (const v1::Chunk& c : batch->chunks()) sent.done.emplace_back(c.token(), c.count());
    for (const v1::OpenPorts& o : batch->open_ports())
      sent.opens += static_cast<uint64_t>(o.index_delta_size());
  } else {
    if (quiesced_) return false;
    v1::ReportBatch* batch = request_.mutable_batch();
    Piece piece;
    while (sent.done.size() < options_.chunks_per_batch && TakePiece(&piece)) {
      piece.chunk->FillOpens(piece.token, piece.range.begin, 0, UINT32_MAX, batch);
      piece.chunk->FillChunk(piece.token, piece.range.begin, batch->add_chunks());
      sent.done.emplace_back(piece.token, piece.range.size());
      sent.opens += piece.chunk->open_at.size();
    }
    if (sent.done.empty()) return false;
  }
  sent.seq = next_seq_++;
  request_.mutable_batch()->set_seq(sent.seq);
  for (const auto& [token, positions] : sent.done) counters_.sent += positions;
  sent_.push_back(std::move(sent));
  return true;
}

// After each quarter of a chunk: its open ports; with the last of them the chunk.
void SimAgent::Tick() {
  Duration next = kNothingToDo;
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    if (queue_.size() >= 64) {
      ++counters_.late;
    } else if (!quiesced_ && (piece_.token != 0 || TakePiece(&piece_))) {
      const auto count = static_cast<uint32_t>(piece_.range.size());
      next = FromSeconds(count / options_.speed / kQuarters);
      const uint32_t from = count * quarter_ / kQuarters, to = count * (quarter_ + 1) / kQuarters;
      v1::ReportRequest request;
      v1::ReportBatch* batch = request.mutable_batch();
      bool any = piece_.chunk->FillOpens(piece_.token, piece_.range.begin, from, to, batch);
      if (++quarter_ == kQuarters) {
        piece_.chunk->FillChunk(piece_.token, piece_.range.begin, batch->add_chunks());
        any = true;
        quarter_ = 0;
        piece_ = {};
      }
      if (any) queue_.push_back(std::move(request));
    }
  }
  MaybeWrite();
  // By the plan, not by when this ran: else a busy machine would slow the agents down.
  next_tick_ = std::max(next_tick_ + next, SystemClock().Now() - kCatchUp);
  runner_->PostAt(next_tick_, [this] { Tick(); });
}

bool SimAgent::TakePiece(Piece* piece) {
  if (options_.bare) {
    *piece = {1, {next_bare_, next_bare_ + options_.chunk}, nullptr};
    next_bare_ += options_.chunk;
    piece->chunk = maker_.Make(nullptr, piece->range.begin, options_.chunk, random_);
    return true;
  }
  for (auto& [token, lease] : leases_) {
    if (lease.todo.empty()) continue;
    *piece = {token, lease.todo.back(), nullptr};
    lease.todo.pop_back();
    lease.todo_positions -= piece->range.size();
    lease.unacked += piece->range.size();
    piece->chunk = maker_.Make(scans_[lease.scan].space, piece->range.begin,
                               static_cast<uint32_t>(piece->range.size()), random_);
    return true;
  }
  return false;
}

// ---- Synchronize ----

void SimAgent::Synchronize() {
  auto* call = new SyncCall;
  v1::SynchronizeRequest& r = call->request;
  r.mutable_agent()->set_name(options_.name);
  r.mutable_agent()->set_vantage(options_.vantage);
  r.mutable_agent()->set_incarnation(incarnation_);
  r.mutable_agent()->set_version("simulated");
  r.mutable_agent()->set_engine("none");
  r.mutable_agent()->set_window(4096);
  r.mutable_agent()->set_permutation_version(Permutation::kVersion);
  r.set_room(options_.room);
  {
    MutexLock lock(mu_);
    if (stopping_) {
      delete call;
      sync_running_ = false;
      ended_.NotifyAll();
      return;
    }
    r.set_measured_rate(Speed());
    r.set_sent_rate(Speed());
    r.set_epoch_seen(epoch_);
    r.set_revision_seen(revision_);
    for (const auto& [token, lease] : leases_) {
      v1::HeldLease* held = r.add_leases();
      held->set_token(token);
      ToProto(lease.granted, held->mutable_ranges());
      held->set_unprobed(lease.todo_positions);
    }
    for (const auto& [scan, share] : shares_) *r.add_shares() = share;
    for (const auto& [scan, known] : scans_) {
      v1::KnownScan* k = r.add_scans();
      k->set_scan_id(scan);
      k->set_overlay_version(known.overlay);
    }
    if (quiesced_) r.set_room(0);
    sync_running_ = true;
    sync_context_ = &call->context;
  }
  counters_.sync_bytes += r.ByteSizeLong() + kGrpcPrefix;
  call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  stub_->async()->Synchronize(&call->context, &call->request, &call->response,
                              [this, call](const grpc::Status& status) { OnSynced(call, status); });
}

void SimAgent::OnSynced(SyncCall* call, const grpc::Status& status) {
  const Steady::time_point arrival = Steady::now();
  if (status.ok()) {
    ++counters_.answers;
    if (on_answer_) on_answer_(*this, call->response, arrival);
  } else {
    Fail(status);
  }
  {
    MutexLock lock(mu_);
    sync_context_ = nullptr;
    if (status.ok()) Apply(call->response);
  }
  delete call;
  if (status.ok()) {
    MaybeWrite();
    return Synchronize();
  }
  MutexLock lock(mu_);
  sync_running_ = false;
  ended_.NotifyAll();
}

void SimAgent::Apply(const v1::SynchronizeResponse& response) {
  epoch_ = response.epoch();
  revision_ = response.revision();
  for (const v1::ScanContext& context : response.scans()) {
    Known& known = scans_[context.scan_id()];
    known.overlay = context.overlay_version();
    if (!context.has_space()) continue;
    auto space = FromProto(context.space());
    if (space.ok()) known.space = *std::move(space);
  }
  shares_.clear();
  for (v1::ScanShare share : response.shares()) {
    if (!share.has_target_fraction()) share.set_target_fraction(1);
    shares_[share.scan_id()] = share;
  }

  std::map<uint64_t, IntervalSet> wanted;
  uint64_t highest = highest_token_;
  for (const v1::Lease& l : response.leases()) {
    auto ranges = FromProto(l.ranges(), ScanSpace::kMaxPositions, SIZE_MAX);
    const auto scan = scans_.find(l.scan_id());
    if (!ranges.ok() || scan == scans_.end() || scan->second.space == nullptr) continue;
    if (l.token() > highest_token_) {
      highest = std::max(highest, l.token());
      Lease& lease = leases_[l.token()];
      lease.scan = l.scan_id();
      lease.granted = *ranges;
      Cut(lease, *scan->second.space, *ranges);
    }
    wanted[l.token()] = *std::move(ranges);
  }
  highest_token_ = highest;
  for (auto it = leases_.begin(); it != leases_.end();) {
    Lease& lease = it->second;
    const auto w = wanted.find(it->first);
    if (w == wanted.end()) {
      if (piece_.token == it->first) piece_ = {}, quarter_ = 0;
      it = leases_.erase(it);
      continue;
    }
    if (!w->second.Contains(lease.granted)) {
      // Shrunk: of what is beyond, only what was begun stays.
      IntervalSet todo;
      for (const IndexRange& r : lease.todo) todo.Add(r);
      lease.granted.Remove(todo);
      todo = todo.Intersection(w->second);
      lease.granted.Add(todo);
      Cut(lease, *scans_[lease.scan].space, todo);
    }
    ++it;
  }
  for (auto it = scans_.begin(); it != scans_.end() && scans_.size() > kMaxScans;) {
    const bool used = std::any_of(leases_.begin(), leases_.end(),
                                  [&](const auto& item) { return item.second.scan == it->first; });
    it = used ? std::next(it) : scans_.erase(it);
  }
}

void SimAgent::Cut(Lease& lease, const ScanSpace& space, const IntervalSet& ranges) {
  lease.todo.clear();
  const uint32_t chunk = ChunkOf(lease.scan);
  ranges.ForEach([&](IndexRange r) {
    while (!r.empty()) {
      const uint64_t end = std::min({r.end, space.GroupOf(r.begin).range.end, r.begin + chunk});
      lease.todo.push_back({r.begin, end});
      r.begin = end;
    }
  });
  lease.todo_positions = ranges.size();
  std::shuffle(lease.todo.begin(), lease.todo.end(), random_);
}

}  // namespace portolan::bench
