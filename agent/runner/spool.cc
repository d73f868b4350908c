#include "agent/runner/spool.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/base/check.h"

namespace portolan {
namespace {

// About what a report costs here and, a little less, on the wire.
constexpr size_t kOpenBytes = sizeof(Token) + sizeof(OpenRow);
size_t BytesOf(const ChunkReport& chunk) { return sizeof(ChunkReport) + chunk.outcomes.size(); }

size_t BytesOf(const FindingReport& report) {
  return sizeof(FindingReport) + report.finding.confirmed.size() * 2 * sizeof(ConfirmedPort);
}
constexpr size_t kMostFindings = 1'000;  // in a batch; the coordinator takes 4,096

// One open port a row, in columns by lease and source.
std::vector<OpenGroup> GroupOpens(std::vector<std::pair<Token, OpenRow>> opens) {
  std::sort(opens.begin(), opens.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.source, a.second.index) <
           std::tie(b.first, b.second.source, b.second.index);
  });
  std::vector<OpenGroup> groups;
  for (const auto& [token, row] : opens) {
    if (groups.empty() || groups.back().token != token || groups.back().source != row.source) {
      groups.push_back({token, row.source, {}});
    }
    groups.back().rows.push_back(row);
  }
  return groups;
}

}  // namespace

Spool::Spool(const SpoolOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

void Spool::PutOpen(const OpenReport& open) {
  bool full;
  {
    MutexLock lock(mu_);
    opens_.emplace_back(open.token, open.row);
    ++stats_.opens;
    full = Added(open.token, kOpenBytes);
  }
  if (full) changed_.NotifyOne();
}

void Spool::PutChunk(ChunkReport chunk) {
  bool full;
  {
    MutexLock lock(mu_);
    full = Added(chunk.token, BytesOf(chunk));
    chunks_.push_back(std::move(chunk));
    ++stats_.chunks;
  }
  if (full) changed_.NotifyOne();
}

void Spool::PutFinding(const FindingReport& finding) {
  bool full;
  {
    MutexLock lock(mu_);
    findings_.push_back(finding);
    full = Added(finding.token, BytesOf(finding));
  }
  if (full) changed_.NotifyOne();
}

bool Spool::Added(Token token, size_t bytes) {
  const bool first = waiting_bytes_ == 0;
  if (first) waiting_since_ = clock_.Now();
  waiting_bytes_ += bytes;
  Count(token, 1);
  return first || waiting_bytes_ >= options_.batch_bytes;
}

bool Spool::HasRoom() const {
  MutexLock lock(mu_);
  return waiting_bytes_ + kept_bytes_ <= options_.limit_bytes / 4 * 3;
}

std::shared_ptr<const SpoolBatch> Spool::NextBatch(Duration wait) {
  // The clock that ages are counted on may be a fake one; how long to block is real time, so both
  // are bounded by `wait`.
  const Time until = clock_.Now() + std::min<Duration>(wait, std::chrono::hours(1));
  MutexLock lock(mu_);
  for (;;) {
    if (interrupted_) {
      interrupted_ = false;
      return nullptr;
    }
    const Time now = clock_.Now();
    if (!again_.empty()) {
      Sent sent = std::move(again_.front());
      again_.pop_front();
      // The batch may still be read by the sender of the stream before, so it is not changed but
      // copied.
      auto renumbered = std::make_shared<SpoolBatch>(*sent.batch);
      renumbered->seq = next_seq_++;
      sent_.push_back({renumbered, sent.oldest});
      return renumbered;
    }
    if (waiting_bytes_ > 0) {
      const bool due = flushing_ || waiting_bytes_ >= options_.batch_bytes ||
                       now - waiting_since_ >= options_.batch_age;
      if (due) return Cut();
    }
    if (now >= until) return nullptr;
    Duration patience = until - now;
    if (waiting_bytes_ > 0)
      patience = std::min(patience, waiting_since_ + options_.batch_age - now);
    if (!changed_.WaitFor(mu_, patience) && clock_.Now() == now) return nullptr;
  }
}

std::shared_ptr<SpoolBatch> Spool::Cut() {
  auto batch = std::make_shared<SpoolBatch>();
  batch->seq = next_seq_++;
  // All findings and open ports that fit go first, so that none comes after its chunk.
  while (!findings_.empty() && batch->findings.size() < kMostFindings) {
    batch->bytes += BytesOf(findings_.front());
    batch->findings.push_back(std::move(findings_.front()));
    findings_.pop_front();
  }
  const size_t opens =
      std::min(opens_.size(), std::max<size_t>(1, options_.batch_bytes / kOpenBytes));
  const bool all_before = opens == opens_.size() && findings_.empty();
  std::vector<std::pair<Token, OpenRow>> rows(opens_.begin(),
                                              opens_.begin() + static_cast<std::ptrdiff_t>(opens));
  opens_.erase(opens_.begin(), opens_.begin() + static_cast<std::ptrdiff_t>(opens));
  batch->bytes += opens * kOpenBytes;
  batch->opens = GroupOpens(std::move(rows));
  while (all_before && !chunks_.empty()) {
    const size_t bytes = BytesOf(chunks_.front());
    if (batch->bytes > 0 && batch->bytes + bytes > options_.batch_bytes) break;
    batch->bytes += bytes;
    batch->chunks.push_back(std::move(chunks_.front()));
    chunks_.pop_front();
  }
  waiting_bytes_ -= batch->bytes;
  kept_bytes_ += batch->bytes;
  // What is left is as old as what was cut, at most: it goes with the next call.
  sent_.push_back({batch, waiting_since_});
  if (waiting_bytes_ == 0) waiting_since_ = kNever;
  return batch;
}

void Spool::Ack(uint64_t seq) {
  std::vector<std::shared_ptr<const SpoolBatch>> done;  // freed without the lock
  MutexLock lock(mu_);
  while (!sent_.empty() && sent_.front().batch->seq <= seq) {
    Release(*sent_.front().batch);
    ++stats_.acked_batches;
    done.push_back(std::move(sent_.front().batch));
    sent_.pop_front();
  }
}

void Spool::ResetStream() {
  MutexLock lock(mu_);
  again_.insert(again_.begin(), std::make_move_iterator(sent_.begin()),
                std::make_move_iterator(sent_.end()));
  sent_.clear();
  next_seq_ = 1;
  changed_.NotifyOne();
}

void Spool::Drop(Token token) {
  MutexLock lock(mu_);
  const size_t opens =
      std::erase_if(opens_, [token](const auto& open) { return open.first == token; });
  waiting_bytes_ -= opens * kOpenBytes;
  size_t bytes = 0;  // not waiting_bytes_ itself: clang does not see the lock inside a lambda
  const size_t chunks = std::erase_if(chunks_, [token, &bytes](const ChunkReport& chunk) {
    if (chunk.token != token) return false;
    bytes += BytesOf(chunk);
    return true;
  });
  const size_t findings = std::erase_if(findings_, [token, &bytes](const FindingReport& finding) {
    if (finding.token != token) return false;
    bytes += BytesOf(finding);
    return true;
  });
  waiting_bytes_ -= bytes;
  Count(token, -static_cast<int64_t>(opens + chunks + findings));
  if (waiting_bytes_ == 0) waiting_since_ = kNever;
}

bool Spool::Holds(Token token) const {
  MutexLock lock(mu_);
  return held_.contains(token);
}

bool Spool::empty() const {
  MutexLock lock(mu_);
  return held_.empty();
}

void Spool::SetFlushing(bool flushing) {
  MutexLock lock(mu_);
  flushing_ = flushing;
  changed_.NotifyAll();
}

void Spool::Interrupt() {
  MutexLock lock(mu_);
  interrupted_ = true;
  changed_.NotifyAll();
}

SpoolStats Spool::Stats() const {
  MutexLock lock(mu_);
  SpoolStats stats = stats_;
  stats.bytes = waiting_bytes_ + kept_bytes_;
  stats.limit_bytes = options_.limit_bytes;
  stats.waiting_reports = opens_.size() + chunks_.size() + findings_.size();
  stats.unacked_batches = sent_.size() + again_.size();
  Time oldest = waiting_since_;
  if (!sent_.empty()) oldest = std::min(oldest, sent_.front().oldest);
  if (!again_.empty()) oldest = std::min(oldest, again_.front().oldest);
  if (oldest != kNever) stats.oldest = std::max(Duration::zero(), clock_.Now() - oldest);
  return stats;
}

void Spool::Release(const SpoolBatch& batch) {
  kept_bytes_ -= batch.bytes;
  for (const OpenGroup& group : batch.opens)
    Count(group.token, -static_cast<int64_t>(group.rows.size()));
  for (const ChunkReport& chunk : batch.chunks) Count(chunk.token, -1);
  for (const FindingReport& finding : batch.findings) Count(finding.token, -1);
}

void Spool::Count(Token token, int64_t reports) {
  if (reports == 0) return;
  uint64_t& held = held_[token];
  PORTOLAN_CHECK(reports > 0 || held >= static_cast<uint64_t>(-reports));
  held += static_cast<uint64_t>(reports);
  if (held == 0) held_.erase(token);
}

}  // namespace portolan
