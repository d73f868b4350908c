#include "coordinator/notify/webhook_sender.h"

#include <pthread.h>

#include <algorithm>

#include "common/base/status.h"
#include "coordinator/notify/body.h"
#include "coordinator/notify/signature.h"

namespace portolan {
namespace {

// A commit may be lost with the machine: what it said was delivered is then sent twice, which is
// allowed, and no disk is waited for.
Connection::Options SenderConnection() { return {.sync_full = false, .cache_kib = 512}; }

constexpr Duration kIdlePoll = std::chrono::seconds(10);
constexpr Duration kWatchInterval = std::chrono::milliseconds(20);
constexpr Duration kStoreRetry = std::chrono::seconds(1);
constexpr uint64_t kCommitsPerCheckpoint = 1000;

}  // namespace

struct WebhookSender::Lane {
  Lane(const WebhookReceiver& to, const Clock& clock, uint64_t seed)
      : receiver(to), client(to, clock), chance(seed) {}

  const WebhookReceiver& receiver;
  WebhookClient client;
  // Of its thread.
  std::unique_ptr<Connection> db;
  std::mt19937_64 chance;
  uint32_t failures = 0;  // of the receiver, in a row
  std::optional<Time> not_before;
  uint64_t commits = 0;
  uint64_t seen_wakes = 0;

  std::atomic<uint64_t> sent{0}, messages{0}, retried{0}, failed{0};
  Mutex mu;
  std::string last_error GUARDED_BY(mu);

  std::thread thread;
};

absl::StatusOr<std::unique_ptr<WebhookSender>> WebhookSender::Start(const Outbox& outbox,
                                                                    Options options) {
  std::unique_ptr<WebhookSender> sender(new WebhookSender(outbox, std::move(options)));
  PORTOLAN_RETURN_IF_ERROR(sender->OpenLanes());
  for (const auto& lane : sender->lanes_) {
    lane->thread = std::thread([s = sender.get(), l = lane.get()] { s->RunLane(*l); });
  }
  sender->watch_ = std::thread([s = sender.get()] { s->RunWatch(); });
  return sender;
}

WebhookSender::WebhookSender(const Outbox& outbox, Options options)
    : outbox_(outbox), options_(std::move(options)) {}

WebhookSender::~WebhookSender() { Stop(); }

absl::Status WebhookSender::OpenLanes() {
  uint64_t seed = options_.seed;
  for (const WebhookReceiver& receiver : outbox_.config().receivers) {
    auto lane = std::make_unique<Lane>(receiver, outbox_.clock(), ++seed);
    PORTOLAN_ASSIGN_OR_RETURN(lane->db, Connection::Open(options_.database, SenderConnection()));
    lanes_.push_back(std::move(lane));
  }
  MutexLock lock(stats_mu_);
  PORTOLAN_ASSIGN_OR_RETURN(stats_db_, Connection::Open(options_.database, SenderConnection()));
  return outbox_.KillOrphans(*stats_db_).status();
}

void WebhookSender::Wake() {
  {
    MutexLock lock(mu_);
    ++wakes_;
  }
  wake_.NotifyAll();
}

void WebhookSender::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  watch_wake_.NotifyAll();
  for (const auto& lane : lanes_) lane->client.Cancel();
  for (const auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
  if (watch_.joinable()) watch_.join();
}

void WebhookSender::RunWatch() {
  pthread_setname_np(pthread_self(), "notify-watch");
  while (true) {
    {
      MutexLock lock(mu_);
      while (in_flight_ == 0 && !stopping_) watch_wake_.Wait(mu_);
      if (stopping_) return;
      watch_wake_.WaitFor(mu_, kWatchInterval);
    }
    for (const auto& lane : lanes_) lane->client.Watch();
  }
}

void WebhookSender::RunLane(Lane& lane) {
  pthread_setname_np(pthread_self(), ("notify-" + lane.receiver.name).substr(0, 15).c_str());
  while (!stopping_) {
    {
      // Before the look into the database, so that what is put in meanwhile is not slept over.
      MutexLock lock(mu_);
      lane.seen_wakes = wakes_;
    }
    if (AttemptNext(lane) == Step::kWait) WaitForWork(lane);
  }
}

void WebhookSender::WaitForWork(Lane& lane) {
  Duration wait = kIdlePoll;
  if (lane.not_before) {
    wait = std::min(wait, *lane.not_before - outbox_.clock().Now());
  } else {
    const auto aside = outbox_.NextAside(*lane.db, lane.receiver.name);
    if (aside.ok() && *aside) wait = std::min<Duration>(wait, **aside - outbox_.clock().Wall());
  }
  const auto group = outbox_.NextGroup(*lane.db, lane.receiver.name);
  if (group.ok() && *group) wait = std::min<Duration>(wait, **group - outbox_.clock().Wall());
  MutexLock lock(mu_);
  if (wakes_ != lane.seen_wakes || stopping_ || wait <= Duration::zero()) return;
  wake_.WaitFor(mu_, wait);
}

void WebhookSender::Pause(Duration real_time) {
  MutexLock lock(mu_);
  if (!stopping_) wake_.WaitFor(mu_, real_time);
}

void WebhookSender::OnStoreError(Lane& lane, const absl::Status& status) {
  {
    MutexLock lock(lane.mu);
    lane.last_error = Message(status);
  }
  Pause(kStoreRetry);
}

bool WebhookSender::CloseGroups(Lane& lane) {
  while (!stopping_) {
    const auto next = outbox_.NextGroup(*lane.db, lane.receiver.name);
    if (!next.ok()) {
      OnStoreError(lane, next.status());
      return false;
    }
    if (!*next || **next > outbox_.clock().Wall()) return true;
    uint64_t damaged = 0;
    if (!Commit(lane, [&]() -> absl::Status {
          PORTOLAN_ASSIGN_OR_RETURN(damaged, outbox_.CloseGroup(*lane.db, lane.receiver.name));
          return absl::OkStatus();
        })) {
      return false;
    }
    lane.failed += damaged;
  }
  return false;
}

WebhookSender::Step WebhookSender::AttemptNext(Lane& lane) {
  // Also while the receiver is not to be called: what is complete is counted as that.
  if (!CloseGroups(lane)) return Step::kAgain;
  if (lane.not_before) {
    if (outbox_.clock().Now() < *lane.not_before) return Step::kWait;
    lane.not_before.reset();
  }
  absl::StatusOr<std::optional<Outbox::Due>> due = outbox_.Next(*lane.db, lane.receiver.name);
  if (!due.ok()) {
    OnStoreError(lane, due.status());
    return Step::kAgain;
  }
  if (!*due) return Step::kWait;
  const Outbox::Due& next = **due;
  if (next.message.ok()) {
    Attempt(lane, next, *next.message);
    return Step::kAgain;
  }
  WebhookAttempt attempt{lane.receiver.name,
                         "",
                         next.count,
                         false,
                         true,
                         next.attempts,
                         std::string(Message(next.message.status()))};
  if (Commit(lane, [&] {
        return outbox_.Kill(*lane.db, next.number, {next.attempts, 0, attempt.detail});
      })) {
    lane.failed += next.count;
    Report(lane, attempt);
  }
  return Step::kAgain;
}

void WebhookSender::Attempt(Lane& lane, const Outbox::Due& due, const WebhookMessage& message) {
  const WebhookReceiver& to = lane.receiver;
  const std::string& id = MessageId(message);
  const std::string body = RenderWebhookMessage(to, message, outbox_.config().link);
  WebhookClient::Headers headers = to.headers;
  headers.emplace_back("Content-Type", "application/json");
  headers.emplace_back("User-Agent", "portolan");
  headers.emplace_back("X-Portolan-Delivery", id);
  if (!to.secret.empty()) {
    headers.emplace_back("X-Portolan-Signature",
                         SignWebhook(to.secret, outbox_.clock().Wall(), body));
  }
  {
    MutexLock lock(mu_);
    ++in_flight_;
  }
  watch_wake_.NotifyOne();
  const WebhookAnswer answer = lane.client.Post(headers, body);
  {
    MutexLock lock(mu_);
    --in_flight_;
  }
  WebhookAttempt attempt{to.name, id, due.count, false, false, due.attempts + 1, ""};
  const WebhookVerdict verdict = JudgeWebhook(answer.status);
  if (verdict != WebhookVerdict::kDelivered) {
    if (stopping_ && answer.status == 0) return;  // ended by us: no failure of the receiver
    OnFailure(lane, due, answer, verdict, attempt);
    return;
  }
  if (!Commit(lane, [&] { return outbox_.Delivered(*lane.db, due.number); })) return;
  lane.failures = 0;
  lane.sent += due.count;
  ++lane.messages;
  attempt.delivered = true;
  Report(lane, attempt);
}

void WebhookSender::OnFailure(Lane& lane, const Outbox::Due& due, const WebhookAnswer& answer,
                              WebhookVerdict verdict, WebhookAttempt& attempt) {
  const Clock& clock = outbox_.clock();
  attempt.detail = answer.status == 0
                       ? answer.error
                       : fmt::format("HTTP status {}{}{}", answer.status,
                                     answer.excerpt.empty() ? "" : ": ", answer.excerpt);
  const Outbox::Failure failure{attempt.attempts, answer.status, attempt.detail};
  if (verdict == WebhookVerdict::kRefused) {
    attempt.dead = true;
    lane.failures = 0;
    if (!Commit(lane, [&] { return outbox_.Kill(*lane.db, due.number, failure); })) return;
    lane.failed += due.count;
    Report(lane, attempt);
    return;
  }
  // A message's own failures after it gave way say nothing of the receiver.
  const bool alone =
      verdict == WebhookVerdict::kMessageFails && (due.aside || attempt.attempts >= kPatience);
  // After a restart only the message knows how often it was tried.
  const uint32_t failures =
      alone ? attempt.attempts : std::max(lane.failures + 1, attempt.attempts);
  Duration delay =
      WebhookBackoff(failures, std::uniform_real_distribution<double>(0, 1)(lane.chance));
  if (const auto asked = ParseRetryAfter(answer.retry_after, clock.Wall())) {
    delay = std::max(delay, *asked);
  }
  std::optional<WallTime> aside_until;
  if (alone || due.aside) {
    aside_until = clock.Wall() + std::chrono::duration_cast<std::chrono::microseconds>(delay);
  }
  lane.failures = alone ? 0 : failures;
  if (!alone) lane.not_before = clock.Now() + delay;

  const WallTime oldest =
      clock.Wall() - std::chrono::duration_cast<WallTime::duration>(lane.receiver.max_age);
  uint64_t expired = 0;
  if (!Commit(lane, [&]() -> absl::Status {
        PORTOLAN_RETURN_IF_ERROR(outbox_.Failed(*lane.db, due.number, failure, aside_until));
        PORTOLAN_ASSIGN_OR_RETURN(
            expired, outbox_.Expire(*lane.db, lane.receiver.name,
                                    alone ? Outbox::Which::kAside : Outbox::Which::kAll, oldest,
                                    fmt::format("not delivered within {} s; last: {}",
                                                ToSeconds(lane.receiver.max_age), attempt.detail)));
        return absl::OkStatus();
      })) {
    return;
  }
  attempt.dead = due.queued < oldest;
  lane.failed += expired;
  if (!attempt.dead) ++lane.retried;
  Report(lane, attempt);
}

bool WebhookSender::Commit(Lane& lane, const std::function<absl::Status()>& write) {
  while (true) {
    absl::Status status = lane.db->Execute("BEGIN IMMEDIATE");
    if (status.ok()) status = write();
    if (status.ok()) status = lane.db->Execute("COMMIT");
    if (status.ok()) break;
    lane.db->Rollback();
    {
      MutexLock lock(lane.mu);
      lane.last_error = Message(status);
    }
    if (stopping_) return false;
    Pause(kStoreRetry);
  }
  // Its failure loses nothing: the log goes on growing until the next.
  if (options_.checkpoint && ++lane.commits % kCommitsPerCheckpoint == 0)
    (void)lane.db->Execute("PRAGMA wal_checkpoint(PASSIVE)");
  return true;
}

void WebhookSender::Report(Lane& lane, const WebhookAttempt& attempt) {
  {
    MutexLock lock(lane.mu);
    lane.last_error = attempt.detail;
  }
  if (options_.on_attempt) options_.on_attempt(attempt);
}

absl::StatusOr<WebhookStats> WebhookSender::Stats() {
  WebhookStats stats;
  MutexLock db_lock(stats_mu_);
  const WallTime now = outbox_.clock().Wall();
  for (const auto& lane : lanes_) {
    WebhookReceiverStats r;
    r.name = lane->receiver.name;
    r.sent = lane->sent;
    r.messages = lane->messages;
    r.retried = lane->retried;
    r.failed = lane->failed;
    PORTOLAN_ASSIGN_OR_RETURN(r.waiting, outbox_.Totals(*stats_db_, r.name));
    if (r.waiting.oldest_pending)
      r.oldest_pending_age = std::max<Duration>(now - *r.waiting.oldest_pending, Duration::zero());
    {
      MutexLock lock(lane->mu);
      r.last_error = lane->last_error;
    }
    stats.receivers.push_back(std::move(r));
  }
  PORTOLAN_ASSIGN_OR_RETURN(stats.losses, outbox_.Losses(*stats_db_));
  return stats;
}

}  // namespace portolan
