#include "coordinator/results/result_reader.h"

#include <algorithm>
#include <list>
#include <unordered_map>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "coordinator/results/lane_group.h"
#include "coordinator/results/page_token.h"
#include "coordinator/results/position_pages.h"

namespace portolan {
namespace {

constexpr size_t kMaxLimit = 10'000;
// looks of the store for one page that stays empty: each is bounded
constexpr int kMaxRowPages = 8;
constexpr size_t kCachedScans = 8;

absl::Status CheckQuery(const ResultScan& scan, const ResultQuery& query) {
  if (query.limit < 1 || query.limit > kMaxLimit)
    return InvalidArgument("page of {} results: ask for 1 to {}", query.limit, kMaxLimit);
  for (const State s : query.states) {
    if (s < State::kOpen || s > State::kNotProbed)
      return InvalidArgument("state {}: not the state of a result", static_cast<int>(s));
  }
  for (const std::string& vantage : query.vantages) {
    const ScanSpec& spec = *scan.spec;
    const bool known =
        std::any_of(scan.lanes.begin(), scan.lanes.end(),
                    [&](const ResultScan::Lane& l) { return l.vantage == vantage; }) ||
        (spec.mode == ScanMode::kSplit &&
         (spec.vantages.empty() ||
          std::find(spec.vantages.begin(), spec.vantages.end(), vantage) != spec.vantages.end()));
    if (!known)
      return InvalidArgument("vantage \"{}\": scan {} has none of that name", vantage, scan.id);
  }
  return absl::OkStatus();
}

}  // namespace

struct ResultReader::Impl {
  Impl(Store& s, const Options& options)
      : store(s), groups(s, options.max_cached_bytes), marks_of(s) {}

  absl::StatusOr<std::shared_ptr<const ResultScan>> Find(const ScanId& id);
  absl::StatusOr<ResultPage> RowPage(const ResultScan& scan, const ResultQuery& query,
                                     uint64_t digest, const HostMarks& marks,
                                     std::optional<Store::RowKey> after);

  Store& store;
  LaneGroupCache groups;
  HostMarksCache marks_of;
  Mutex mutex;
  std::list<std::shared_ptr<const ResultScan>> scans GUARDED_BY(mutex);  // the latest used first
};

ResultReader::ResultReader(Store& store, Options options)
    : impl_(std::make_unique<Impl>(store, options)) {}
ResultReader::~ResultReader() = default;

absl::StatusOr<ResultPage> ResultReader::Page(const ScanId& id, const ResultQuery& query,
                                              const std::string& page_token) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const ResultScan> scan, impl_->Find(id));
  PORTOLAN_RETURN_IF_ERROR(CheckQuery(*scan, query));
  const uint64_t digest = QueryDigest(id, query);
  const bool rows = std::all_of(query.states.begin(), query.states.end(),
                                [](State s) { return s == State::kOpen; });
  std::optional<Place> place;
  if (!page_token.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(place, DecodePageToken(page_token, digest));
  }
  std::vector<LaneId> lanes;
  for (const ResultScan::Lane& lane : scan->lanes) lanes.push_back(lane.id);
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const HostMarks> marks,
                            impl_->marks_of.Get(id, lanes));
  if (rows) {
    const auto* row = place.has_value() ? std::get_if<RowPlace>(&*place) : nullptr;
    if (place.has_value() && row == nullptr)
      return InvalidArgument("page token: not one of this listing; begin it anew without a token");
    return impl_->RowPage(*scan, query, digest, *marks,
                          row != nullptr ? std::optional(row->key) : std::nullopt);
  }
  const auto* position = place.has_value() ? std::get_if<PositionPlace>(&*place) : nullptr;
  if (place.has_value() && position == nullptr)
    return InvalidArgument("page token: not one of this listing; begin it anew without a token");
  return PositionPages(impl_->store, impl_->groups, *scan, query, digest, *marks)
      .Page(position != nullptr ? *position : PositionPlace());
}

absl::StatusOr<FindingRows> ResultReader::Findings(const ScanId& id, const ResultQuery& query,
                                                   const std::string& page_token) {
  const auto bad = [] {
    return InvalidArgument("page token: not one of this listing; begin it anew without a token");
  };
  PORTOLAN_ASSIGN_OR_RETURN(const std::shared_ptr<const ResultScan> scan, impl_->Find(id));
  PORTOLAN_RETURN_IF_ERROR(CheckQuery(*scan, query));
  const uint64_t digest = QueryDigest(id, query);
  FindingPlace place;
  if (!page_token.empty()) {
    PORTOLAN_ASSIGN_OR_RETURN(const Place decoded, DecodePageToken(page_token, digest));
    if (std::get_if<FindingPlace>(&decoded) == nullptr) return bad();
    place = std::get<FindingPlace>(decoded);
  }
  std::vector<LaneId> all;
  std::vector<const ResultScan::Lane*> lanes;
  for (const ResultScan::Lane& lane : scan->lanes) {
    all.push_back(lane.id);
    if (scan->Selects(lane, query)) lanes.push_back(&lane);
  }
  FindingRows out;
  PORTOLAN_ASSIGN_OR_RETURN(const auto counts, impl_->store.CountFindings(all));
  for (const Store::FindingCounts& c : counts) {
    out.total += c.kept;
    out.dropped += c.dropped;
  }
  for (int looks = 0; place.lane < lanes.size() && looks < kMaxRowPages; ++looks) {
    const ResultScan::Lane& lane = *lanes[place.lane];
    PORTOLAN_ASSIGN_OR_RETURN(
        Store::FindingPage page,
        impl_->store.ReadFindings(lane.id, place.after, query.limit - out.findings.size(), true));
    for (Store::FindingPage::Entry& entry : page.findings) {
      StoredFinding& stored = entry.finding;
      if (!query.addresses.empty() && !query.addresses.Contains(stored.finding.address)) continue;
      if (lane.vantage.empty() && !query.vantages.empty() &&
          std::find(query.vantages.begin(), query.vantages.end(), stored.vantage) ==
              query.vantages.end()) {
        continue;
      }
      FindingRow& row = out.findings.emplace_back();
      const auto group = scan->spec->space->GroupOfAddress(stored.finding.address);
      row.ports = group.has_value() ? static_cast<uint32_t>(group->ports) : 0;
      row.open_ports = entry.open_rows;
      row.names = scan->NamesOf(stored.finding.address);
      row.vantage = lane.vantage.empty() ? stored.vantage : lane.vantage;
      row.agent = std::move(stored.agent);
      row.time_of_receipt = stored.time_of_receipt;
      row.finding = std::move(stored.finding);
    }
    place.after = page.next;
    if (!page.next.has_value()) ++place.lane;
    if (out.findings.size() >= query.limit) break;
  }
  if (place.lane < lanes.size()) out.next_page_token = EncodePageToken(digest, place);
  return out;
}

absl::StatusOr<std::shared_ptr<const ResultScan>> ResultReader::Impl::Find(const ScanId& id) {
  // One that was deleted meanwhile must not be answered from memory.
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<ScanId> found, store.FindScans(id, 1));
  if (found.empty() || found[0] != id) return NotFound("no scan \"{}\"", id);
  {
    MutexLock lock(mutex);
    for (auto it = scans.begin(); it != scans.end(); ++it) {
      if ((*it)->id != id) continue;
      scans.splice(scans.begin(), scans, it);
      return scans.front();
    }
  }
  PORTOLAN_ASSIGN_OR_RETURN(ResultScan loaded, ResultScan::Load(store, id));
  auto scan = std::make_shared<const ResultScan>(std::move(loaded));
  MutexLock lock(mutex);
  scans.push_front(scan);
  if (scans.size() > kCachedScans) scans.pop_back();
  return std::shared_ptr<const ResultScan>(std::move(scan));
}

absl::StatusOr<ResultPage> ResultReader::Impl::RowPage(const ResultScan& scan,
                                                       const ResultQuery& query, uint64_t digest,
                                                       const HostMarks& marks,
                                                       std::optional<Store::RowKey> after) {
  RowFilter filter;
  for (const ResultScan::Lane& lane : scan.lanes) {
    if (scan.Selects(lane, query)) filter.lanes.push_back(lane.id);
  }
  filter.addresses = query.addresses;
  filter.ports = query.ports;
  if (scan.spec->mode == ScanMode::kSplit) filter.vantages = query.vantages;
  if (query.without_everywhere_open) filter.without = marks.covered();
  ResultPage page;
  for (int looks = 0; looks < kMaxRowPages; ++looks) {
    PORTOLAN_ASSIGN_OR_RETURN(Store::RowPage rows, store.ReadRows(filter, after, query.limit));
    for (StoredRow& row : rows.rows) {
      Observation& o = page.observations.emplace_back();
      o.lane = row.lane;
      o.address = row.address;
      o.port = row.port;
      o.state = State::kOpen;
      o.host_finding = marks.Of(row.lane, row.address);
      scan.Describe(row, o);
    }
    after = rows.next;
    if (!after.has_value() || !page.observations.empty()) break;
  }
  if (after.has_value()) page.next_page_token = EncodePageToken(digest, RowPlace{*after});
  return page;
}

absl::StatusOr<ResultScan> ResultScan::Load(Store& store, const ScanId& id) {
  PORTOLAN_ASSIGN_OR_RETURN(const std::optional<ScanSummary> summary, store.GetScan(id));
  if (!summary.has_value()) return NotFound("no scan \"{}\"", id);
  ResultScan scan;
  scan.id = id;
  scan.spec = summary->record.spec;
  for (const LaneRecord& lane : summary->record.lanes)
    scan.lanes.push_back({lane.id, lane.vantage});
  for (const ResolvedName& name : scan.spec->names) {
    for (const IpAddress& address : name.addresses) {
      std::vector<std::string>& names = scan.names[address];
      if (names.size() < kMaxNames) names.push_back(name.name);
    }
  }
  return scan;
}

bool ResultScan::Selects(const Lane& lane, const ResultQuery& query) const {
  return query.vantages.empty() || lane.vantage.empty() ||
         std::find(query.vantages.begin(), query.vantages.end(), lane.vantage) !=
             query.vantages.end();
}

void ResultScan::Describe(const StoredRow& row, Observation& out) const {
  const auto lane =
      std::find_if(lanes.begin(), lanes.end(), [&](const Lane& l) { return l.id == row.lane; });
  out.vantage = lane == lanes.end() || lane->vantage.empty() ? row.vantage : lane->vantage;
  out.reason = row.row.reason;
  out.rtt_us = row.row.rtt_us;
  out.when = row.row.when;
  out.time_of_receipt = row.time_of_receipt;
  out.agent = row.agent;
  out.source = row.row.source;
  out.names = NamesOf(row.address);
}

std::vector<std::string> ResultScan::NamesOf(const IpAddress& address) const {
  const auto it = names.find(address);
  return it == names.end() ? std::vector<std::string>() : it->second;
}

}  // namespace portolan
