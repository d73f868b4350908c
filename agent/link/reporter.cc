#include "agent/link/reporter.h"

#include <algorithm>
#include <utility>

#include "agent/link/sync_convert.h"
#include "common/base/status.h"
#include "common/ops/log.h"

namespace portolan {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr int kMostDoublings = 6;  // 6.4 s, cut to 5
constexpr Duration kLongestPause = std::chrono::seconds(5);
// How long NextBatch may keep the writer from seeing that the stream has ended; Interrupt makes it
// shorter.
constexpr Duration kBatchWait = std::chrono::milliseconds(250);
constexpr uint32_t kMostCredit = 4096;

}  // namespace

Reporter::Reporter(Options options, CoordinatorClient& client, Spool& spool,
                   std::function<void(const std::vector<Token>&)> fenced)
    : options_(std::move(options)),
      client_(client),
      spool_(spool),
      fenced_(std::move(fenced)),
      random_(options_.seed),
      writer_([this] { Run(); }) {}

Reporter::~Reporter() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    if (stream_ != nullptr) stream_->Cancel();
    changed_.NotifyAll();
  }
  spool_.Interrupt();
  writer_.join();
}

void Reporter::Use(size_t coordinator) {
  MutexLock lock(mu_);
  if (coordinator_ == coordinator) return;
  coordinator_ = coordinator;
  if (stream_ != nullptr) stream_->Cancel();
  changed_.NotifyAll();
}

Reporter::Stats Reporter::stats() const {
  MutexLock lock(mu_);
  return stats_;
}

void Reporter::Run() {
  while (true) {
    size_t which = 0;
    {
      MutexLock lock(mu_);
      while (!stop_ && !coordinator_.has_value()) changed_.Wait(mu_);
      if (stop_) return;
      which = *coordinator_;
    }
    std::unique_ptr<ReportStream> stream = client_.OpenReport(which);
    {
      MutexLock lock(mu_);
      stream_ = stream.get();
      ended_ = false;
      written_ = acked_ = 0;
      credit_ = 1;
      ++stats_.streams;
      if (stop_ || coordinator_ != which) stream_->Cancel();
    }
    std::thread reader([this, &stream] { ReadAll(*stream); });
    WriteAll(*stream);
    stream->Cancel();
    reader.join();
    {
      MutexLock lock(mu_);
      stream_ = nullptr;
      stats_.connected = false;
    }
    OnEnd(stream->Finish());
  }
}

void Reporter::WriteAll(ReportStream& stream) {
  v1::ReportRequest request;
  request.mutable_hello()->set_agent(options_.agent);
  request.mutable_hello()->set_incarnation(options_.incarnation);
  if (!stream.Write(request)) return;
  while (true) {
    {
      MutexLock lock(mu_);
      while (!stop_ && !ended_ && written_ - acked_ >= (suspects_ > 0 ? 1 : credit_))
        changed_.Wait(mu_);
      if (stop_ || ended_) return;
    }
    const std::shared_ptr<const SpoolBatch> batch = spool_.NextBatch(kBatchWait);
    if (batch == nullptr) continue;
    request.Clear();
    ToProto(*batch, request.mutable_batch());
    {
      MutexLock lock(mu_);
      written_ = batch->seq;
      ++stats_.sent;
    }
    if (!stream.Write(request)) return;
  }
}

void Reporter::ReadAll(ReportStream& stream) {
  v1::ReportResponse response;
  while (stream.Read(&response)) {
    std::vector<Token> fenced;
    for (const uint64_t token : response.fenced_tokens()) fenced.push_back(Token{token});
    uint64_t acked = 0;
    {
      MutexLock lock(mu_);
      failures_ = 0;
      stats_.connected = true;
      credit_ = std::clamp<uint32_t>(response.credit(), 1, kMostCredit);
      acked = std::min(response.acked_seq(), written_);
      if (acked > acked_) {
        stats_.acked += acked - acked_;
        suspects_ -= std::min(suspects_, acked - acked_);
        acked_ = acked;
      }
      stats_.fenced += fenced.size();
    }
    // In this order: a lease whose reports are all acknowledged is dropped, and must not be before
    // it is known to be fenced.
    for (const Token token : fenced) spool_.Drop(token);
    if (!fenced.empty()) fenced_(fenced);
    if (acked > 0) spool_.Ack(acked);
    changed_.NotifyAll();
  }
  {
    MutexLock lock(mu_);
    ended_ = true;
  }
  changed_.NotifyAll();
  spool_.Interrupt();
}

void Reporter::OnEnd(const absl::Status& status) {
  spool_.ResetStream();
  bool drop = false;
  Duration pause{};
  {
    MutexLock lock(mu_);
    if (stop_) return;
    const uint64_t unacked = written_ - acked_;
    if (status.code() == absl::StatusCode::kInvalidArgument && unacked > 0) {
      drop = unacked == 1;
      suspects_ = drop ? suspects_ - std::min<uint64_t>(suspects_, 1) : unacked;
      stats_.rejected += drop ? 1 : 0;
      pause = kFirstPause;
    } else {
      const double whole =
          std::min(ToSeconds(kLongestPause),
                   ToSeconds(kFirstPause) * (1 << std::min(failures_, kMostDoublings)));
      pause = FromSeconds(whole * std::uniform_real_distribution<double>(0.5, 1.0)(random_));
      ++failures_;
    }
  }
  if (drop) {
    // It is the first that the spool hands out again; the first try may only find the reader's
    // Interrupt.
    std::shared_ptr<const SpoolBatch> batch = spool_.NextBatch(kBatchWait);
    if (batch == nullptr) batch = spool_.NextBatch(kBatchWait);
    if (batch != nullptr) spool_.Ack(batch->seq);
    spool_.ResetStream();
    Log(LogLevel::kError,
        "report refused as malformed; dropped, its positions will be probed again",
        {{"error", std::string(Message(status))}});
  } else if (!status.ok()) {
    Log(LogLevel::kDebug, "report stream ended", {{"error", std::string(Message(status))}});
  }
  MutexLock lock(mu_);
  if (!stop_ && pause > Duration::zero()) changed_.WaitFor(mu_, pause);
}

}  // namespace portolan
