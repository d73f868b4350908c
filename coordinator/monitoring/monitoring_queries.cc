#include <algorithm>
#include <utility>

#include "common/base/counted.h"
#include "common/net/literal.h"
#include "coordinator/monitoring/monitoring_impl.h"

// What was found, for those who ask.
namespace portolan {
namespace {

constexpr size_t kMaxPage = 2'000;
// Subjects that one page looks at when it finds nothing; then it is empty and has a token.
constexpr size_t kMaxLookedAt = 100'000;
constexpr size_t kMaxFindings = 100'000;
// Single outcomes that one page of the exposure reads from stored results.
constexpr size_t kMaxQuestions = 2'000;

absl::Status CheckLimit(size_t limit, size_t most) {
  if (limit >= 1 && limit <= most) return absl::OkStatus();
  return InvalidArgument("page of {}: ask for 1 to {}", limit, most);
}

// The subjects of a monitor that somebody sees open or that must be open, in order, each once.
class SubjectWalk {
 public:
  explicit SubjectWalk(const MonitorExposure& x) : x_(x) {}
  // The first after `after`, or the very first; nullopt: the end. O(vantages log(open)).
  std::optional<Subject> Next(const std::optional<Subject>& after) const {
    std::optional<Subject> best;
    const auto take = [&](const Subject& s) {
      if (!best.has_value() || s < *best) best = s;
    };
    for (const auto& [vantage, baseline] : x_.baselines()) {
      const auto it = after ? baseline.open.upper_bound(*after) : baseline.open.begin();
      if (it != baseline.open.end()) take(it->first);
    }
    const std::vector<Subject>& required = x_.config().expectations.required();
    const auto it =
        after ? std::upper_bound(required.begin(), required.end(), *after) : required.begin();
    if (it != required.end()) take(*it);
    return best;
  }

 private:
  const MonitorExposure& x_;
};

bool Selects(const ExposureQuery& query, const ExposureRow& row) {
  const bool of_class =
      query.classes.empty() ||
      std::count(query.classes.begin(), query.classes.end(), row.comparison.exposure) > 0;
  return of_class && (!query.expected.has_value() ||
                      std::any_of(row.sights.begin(), row.sights.end(), [&](const VantageSight& s) {
                        return s.expected == *query.expected;
                      }));
}

struct Mark {
  std::string monitor;
  Subject subject;
};
std::string TokenOf(const Mark& place) {
  return fmt::format("{}/{}/{}", place.monitor, place.subject.port,
                     place.subject.target.ToString());
}
absl::StatusOr<std::optional<Mark>> MarkOf(const std::string& token) {
  if (token.empty()) return std::optional<Mark>();
  const size_t a = token.find('/'), b = token.find('/', a == token.npos ? a : a + 1);
  uint32_t port = 65'536;
  if (b != token.npos && b - a <= 6) {
    port = 0;
    for (const char c : token.substr(a + 1, b - a - 1)) {
      port = c >= '0' && c <= '9' ? std::min(port * 10 + static_cast<uint32_t>(c - '0'), 65'536u)
                                  : 65'536;
    }
  }
  if (port > 65'535)
    return InvalidArgument("page token: not one of this listing; begin it anew without a token");
  return std::optional(
      Mark{token.substr(0, a),
           {TargetKey::FromString(token.substr(b + 1)), static_cast<uint16_t>(port)}});
}

}  // namespace

std::string_view RunStateName(RunState s) {
  switch (s) {
    case RunState::kRunning:
      return "running";
    case RunState::kComplete:
      return "complete";
    case RunState::kPartial:
      return "partial";
    case RunState::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view RunTriggerName(RunTrigger t) {
  switch (t) {
    case RunTrigger::kSchedule:
      return "schedule";
    case RunTrigger::kManual:
      return "manual";
    case RunTrigger::kCatchUp:
      return "catch-up";
  }
  return "unknown";
}

std::string_view ExpectedName(Expected e) {
  switch (e) {
    case Expected::kUnspecified:
      return "unspecified";
    case Expected::kYes:
      return "yes";
    case Expected::kNo:
      return "no";
    case Expected::kUnknown:
      return "unknown";
  }
  return "unknown";
}

Expected ExpectedOf(ExpectAction action, bool open) {
  const bool broken = action == (open ? ExpectAction::kMustNotBeOpen : ExpectAction::kMustBeOpen);
  return broken ? Expected::kNo : Expected::kYes;
}

ExposureRow MonitoringImpl::RowOf(const MonitorEntry& entry, const Subject& subject) const {
  const MonitorExposure& x = *entry.exposure;
  const WallTime now = clock_.Wall();
  ExposureRow row;
  row.monitor = entry.name;
  row.subject = subject;
  std::vector<VantageView> views = x.ViewsOf(subject);
  row.comparison = CompareVantages(views);
  size_t i = 0;
  for (const auto& [vantage, role] : x.config().vantages) {
    VantageSight& sight = row.sights.emplace_back();
    sight.vantage = vantage;
    sight.side = role;
    sight.outcome = std::move(views[i++].outcome);
    const bool open = sight.outcome.has_value() && IsOpen(sight.outcome->symbol);
    if (open) {
      const OpenRecord& record = x.baselines().at(vantage).open.at(subject);
      sight.since = record.since;
      sight.last_seen = record.last_seen;
    }
    const ExposureRule* rule = x.RuleFor(subject, vantage, now);
    if (rule != nullptr) {
      sight.rule = rule->id;
      sight.action = rule->action;
      sight.severity = rule->severity;
    }
    if (sight.outcome.has_value()) {
      if (rule != nullptr) sight.expected = ExpectedOf(rule->action, open);
    } else {
      sight.unknown = x.WhyUnknown(subject, vantage);
      if (rule != nullptr && rule->action == ExpectAction::kMustBeOpen)
        sight.expected = Expected::kUnknown;
    }
  }
  return row;
}

absl::StatusOr<ExposurePage> MonitoringImpl::DoExposure(const ExposureQuery& query,
                                                        std::vector<Question>* questions) const {
  PORTOLAN_RETURN_IF_ERROR(CheckLimit(query.limit, kMaxPage));
  PORTOLAN_ASSIGN_OR_RETURN(const std::optional<Mark> place, MarkOf(query.page_token));
  TargetNames targets;
  if (!query.targets.empty()) {
    absl::StatusOr<TargetNames> parsed = ParseTargetNames(query.targets);
    if (!parsed.ok()) return Annotate(parsed.status(), "targets");
    targets = *std::move(parsed);
  }
  PortSet ports;
  if (!query.ports.empty()) {
    absl::StatusOr<PortSet> parsed = ParsePorts(query.ports);
    if (!parsed.ok()) return Annotate(parsed.status(), "ports");
    ports = *std::move(parsed);
  }
  const auto wanted = [&](const Subject& s) {
    if (!query.ports.empty() && !ports.Contains(s.port)) return false;
    if (query.targets.empty()) return true;
    if (const IpAddress* address = s.target.address()) return targets.addresses.Contains(*address);
    return std::binary_search(targets.names.begin(), targets.names.end(), s.target.name());
  };
  if (!query.monitor.empty() && entries_.count(query.monitor) == 0) {
    return NotFound("no monitor \"{}\"", literal::Printable(query.monitor));
  }
  ExposurePage page;
  size_t looked_at = 0;
  for (const auto& [name, entry] : entries_) {
    if (!query.monitor.empty() && name != query.monitor) continue;
    if (place.has_value() && name < place->monitor) continue;
    std::optional<Subject> at;
    if (place.has_value() && name == place->monitor) at = place->subject;
    const SubjectWalk walk(*entry->exposure);
    while ((at = walk.Next(at)).has_value()) {
      ++looked_at;
      if (wanted(*at)) {
        ExposureRow row = RowOf(*entry, *at);
        const size_t before = questions->size();
        AskStored(*entry, row, page.rows.size(), questions);
        // What the answers make of a row is known later.
        if (questions->size() > before || Selects(query, row)) page.rows.push_back(std::move(row));
      }
      if (page.rows.size() >= query.limit || looked_at >= kMaxLookedAt ||
          questions->size() >= kMaxQuestions) {
        page.next_page_token = TokenOf({name, *at});
        return page;
      }
    }
  }
  return page;
}

void MonitoringImpl::Exposure(ExposureQuery query, Done<ExposurePage> done) {
  OnThread<ExposurePage>(std::move(done), [this, query = std::move(query)](Done<ExposurePage> d) {
    std::vector<Question> questions;
    absl::StatusOr<ExposurePage> out = DoExposure(query, &questions);
    if (!out.ok() || questions.empty()) return d(std::move(out));
    // Results are on disk, and nothing here should wait for it.
    auto shared = std::make_shared<ExposurePage>(*std::move(out));
    const bool posted = pool_.TryPost([this, shared, query, questions, d] {
      ReadStored(questions, &shared->rows);
      std::erase_if(shared->rows, [&](const ExposureRow& row) { return !Selects(query, row); });
      d(std::move(*shared));
    });
    if (!posted)
      d(ResourceExhausted("too many results are being read; try again in a few seconds"));
  });
}

void MonitoringImpl::Events(EventQuery query, Done<EventPage> done) {
  OnThread<EventPage>(std::move(done), [this, query = std::move(query)](Done<EventPage> d) {
    if (const absl::Status s = CheckLimit(query.limit, kMaxPage); !s.ok()) return d(s);
    if (!query.monitor.empty()) {
      if (const auto entry = Find(query.monitor); !entry.ok()) return d(entry.status());
    }
    d(store_->Events(query));
  });
}

// ---- followers ----

uint64_t MonitoringImpl::Follow(EventQuery query, FollowUpdate update) {
  const uint64_t id = next_follower_.fetch_add(1);
  auto shared = std::make_shared<FollowUpdate>(std::move(update));
  query.limit = kMaxPage;
  query.newest_first = false;
  const bool posted = !stopping_ && runner_.TryPost([this, id, query, shared] {
    if (stopped_) return (*shared)(Unavailable("the coordinator is stopping; try again"));
    if (followers_.size() >= options_.max_followers) {
      return (*shared)(
          ResourceExhausted("{} events already; the limit is {}",
                            Counted(options_.max_followers, "caller follows", "callers follow"),
                            options_.max_followers));
    }
    followers_[id] = {query, *shared, false};
    FeedFollower(id);
  });
  if (!posted) (*shared)(Unavailable("the coordinator is stopping or busy; try again"));
  return id;
}

void MonitoringImpl::Unfollow(uint64_t id) {
  runner_.Post([this, id] { followers_.erase(id); });
}

// A page a task, so that others have their turn.
void MonitoringImpl::FeedFollower(uint64_t id) {
  const auto it = followers_.find(id);
  if (it == followers_.end()) return;
  absl::StatusOr<EventPage> page = store_->Events(it->second.query);
  if (!page.ok()) {
    const FollowUpdate update = std::move(it->second.update);
    followers_.erase(it);
    return update(page.status());
  }
  const bool more = page->more;
  if (!page->events.empty()) {
    it->second.query.after = page->events.back().sequence;
    it->second.update(std::move(page->events));
  }
  if (more) {
    runner_.Post([this, id] { FeedFollower(id); });
  } else {
    it->second.caught_up = true;
  }
}

void MonitoringImpl::Publish(const std::vector<StoredEvent>& events) {
  for (auto& [id, follower] : followers_) {
    if (!follower.caught_up) continue;  // it comes to these by itself
    std::vector<StoredEvent> mine;
    for (const StoredEvent& e : events) {
      const EventQuery& q = follower.query;
      if ((q.monitor.empty() || q.monitor == e.event.monitor) &&
          (q.vantage.empty() || q.vantage == e.event.vantage) && e.event.time >= q.since &&
          e.sequence > q.after) {
        mine.push_back(e);
      }
    }
    if (mine.empty()) continue;
    follower.query.after = mine.back().sequence;
    follower.update(std::move(mine));
  }
}

// ---- findings ----

absl::StatusOr<FindingList> MonitoringImpl::DoFindings(const FindingQuery& query) {
  PORTOLAN_RETURN_IF_ERROR(CheckLimit(query.limit, kMaxFindings));
  if (!query.monitor.empty()) PORTOLAN_RETURN_IF_ERROR(Find(query.monitor).status());
  FindingList out;
  for (const auto& [name, entry] : entries_) {
    if (!query.monitor.empty() && name != query.monitor) continue;
    const FindingBoard::State& board = entry->exposure->findings().state();
    std::map<std::string, uint64_t> kept;
    for (const auto& [key, finding] : board.open) {
      ++kept[key.rule];
      if (query.min_severity.has_value() && finding.severity < *query.min_severity) continue;
      out.findings.push_back({name, finding});
    }
    for (const auto& [rule, total] : board.total) {
      if (total > kept[rule.second]) out.totals[{name, rule.second}] = total;
    }
  }
  // The worst first, then the oldest.
  std::stable_sort(out.findings.begin(), out.findings.end(),
                   [](const MonitorFinding& a, const MonitorFinding& b) {
                     if (a.finding.severity != b.finding.severity)
                       return a.finding.severity > b.finding.severity;
                     return a.finding.found < b.finding.found;
                   });
  if (out.findings.size() > query.limit) out.findings.resize(query.limit);
  if (query.resolved && out.findings.size() < query.limit) {
    FindingQuery rest = query;
    rest.limit = std::min(query.limit - out.findings.size(), kMaxPage);
    PORTOLAN_ASSIGN_OR_RETURN(std::vector<MonitorFinding> resolved, store_->ResolvedFindings(rest));
    for (MonitorFinding& f : resolved) out.findings.push_back(std::move(f));
  }
  return out;
}

void MonitoringImpl::Findings(FindingQuery query, Done<FindingList> done) {
  OnThread<FindingList>(std::move(done), [this, query = std::move(query)](Done<FindingList> d) {
    d(DoFindings(query));
  });
}

// ---- notifications ----

void MonitoringImpl::ListDeadLetters(std::string receiver, Done<std::vector<DeadLetter>> done) {
  OnThread<std::vector<DeadLetter>>(
      std::move(done), [this, receiver = std::move(receiver)](Done<std::vector<DeadLetter>> d) {
        d(outbox_.ListDead(store_->connection(), receiver, 0, kMaxPage));
      });
}

void MonitoringImpl::SettleDeadLetters(std::string receiver, int64_t number, bool drop,
                                       Done<uint64_t> done) {
  OnThread<uint64_t>(std::move(done), [this, receiver = std::move(receiver), number,
                                       drop](Done<uint64_t> d) {
    Connection& db = store_->connection();
    absl::StatusOr<uint64_t> settled = 1;
    if (number == 0) {
      settled = drop ? outbox_.DropAll(db, receiver) : outbox_.ResendAll(db, receiver);
    } else if (const absl::Status s = drop ? outbox_.Drop(db, number) : outbox_.Resend(db, number);
               !s.ok()) {
      settled = s;
    }
    if (settled.ok()) sender_->Wake();
    d(std::move(settled));
  });
}

void MonitoringImpl::TestReceiver(std::string receiver, Done<std::string> done) {
  OnThread<std::string>(
      std::move(done), [this, receiver = std::move(receiver)](Done<std::string> d) {
        const std::string id = fmt::format("test-{}", ToUnixMicros(clock_.Wall()));
        const absl::Status s = outbox_.EnqueueTest(store_->connection(), receiver, id);
        if (!s.ok()) return d(s);
        sender_->Wake();
        d(id);
      });
}

}  // namespace portolan
