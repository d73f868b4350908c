// Pages of open rows in the order (address, port, lane): each lane's index gives its rows in order
// of (address, port), and these streams are merged. Filters leap from one wanted range of addresses
// to the next instead of reading what lies between.
#include <algorithm>

#include "common/base/status.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/sqlite_reader.h"

namespace portolan {
namespace {

using Blob = Statement::Blob;

// Rows looked at for one page, beyond those that are returned: keeps a page of a rare port in a
// large scan short.
constexpr size_t kMaxSkipped = 50'000;

constexpr char kByAddress[] =
    "SELECT address, port, position, reason, rtt_us, seen, origin, token, of_receipt FROM "
    "open_ports INDEXED "
    "BY open_ports_by_address "
    "WHERE lane = ?1 AND (address, port) >= (?2, ?3) ORDER BY address, port";

struct Cursor {
  LaneId lane;
  std::unique_ptr<Statement> statement;
  std::string key;  // bound by reference
  IpAddress address;
  uint32_t port = 0;
  bool done = false;
  absl::Status error;

  void SeekTo(const IpAddress& a, uint32_t p) {
    statement->Reset();
    key = AddressKey(a);
    statement->Bind(lane.value, Blob{key}, p);
    Next();
  }
  void Next() {
    done = !statement->Step();
    error = statement->status();
    if (done) return;
    const auto stored = AddressFromKey(statement->Bytes(0));
    if (!stored.ok()) {
      error = stored.status();
      done = true;
      return;
    }
    address = *stored;
    port = static_cast<uint32_t>(statement->Int(1));
  }
};

}  // namespace

absl::Status SqliteReader::FillRow(const Statement& s, LaneId lane, StoredRow& row) {
  row.lane = lane;
  PORTOLAN_ASSIGN_OR_RETURN(row.address, AddressFromKey(s.Bytes(0)));
  row.port = static_cast<uint16_t>(s.Int(1));
  row.row.index = s.U64(2);
  row.row.reason = static_cast<Reason>(s.Int(3));
  row.row.rtt_us = static_cast<uint32_t>(s.Int(4));
  row.row.when = FromUnixMicros(s.Int(5));
  PORTOLAN_ASSIGN_OR_RETURN(const Origin* origin, FindOrigin(s.Int(6)));
  row.agent = origin->agent;
  row.vantage = origin->vantage;
  row.row.source = origin->source;
  row.token = Token{s.U64(7)};
  row.time_of_receipt = s.Int(8) != 0;
  return absl::OkStatus();
}

absl::StatusOr<Store::RowPage> SqliteReader::ReadRows(const RowFilter& filter,
                                                      const std::optional<Store::RowKey>& after,
                                                      size_t limit) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  const std::vector<IpRange>& ranges = filter.addresses.ranges();
  size_t budget = limit + kMaxSkipped;

  // Moves a cursor on until it stands on a row that the filter wants. False: the budget is used up,
  // and it stands on a row not yet judged.
  const auto settle = [&](Cursor& c) -> absl::StatusOr<bool> {
    while (!c.done) {
      if (budget == 0) return false;
      --budget;
      if (!ranges.empty()) {
        const auto range =
            std::lower_bound(ranges.begin(), ranges.end(), c.address,
                             [](const IpRange& r, const IpAddress& a) { return r.last < a; });
        if (range == ranges.end()) {
          c.done = true;
          c.statement->Reset();
          break;
        }
        if (c.address < range->first) {
          c.SeekTo(range->first, 0);
          continue;
        }
      }
      if (filter.without != nullptr) {
        const auto of_lane = filter.without->find(c.lane);
        if (of_lane != filter.without->end() && of_lane->second.Contains(c.address)) {
          // Behind all of its ports.
          c.SeekTo(c.address, 65536);
          continue;
        }
      }
      if (!filter.ports.empty() && !filter.ports.Contains(static_cast<uint16_t>(c.port))) {
        c.Next();
        continue;
      }
      if (!filter.vantages.empty()) {
        PORTOLAN_ASSIGN_OR_RETURN(const Origin* origin, FindOrigin(c.statement->Int(6)));
        if (std::find(filter.vantages.begin(), filter.vantages.end(), origin->vantage) ==
            filter.vantages.end()) {
          c.Next();
          continue;
        }
      }
      return true;
    }
    PORTOLAN_RETURN_IF_ERROR(c.error);
    return true;
  };
  const auto later = [](const Cursor* a, const Cursor* b) {
    return std::tie(a->address, a->port, a->lane) > std::tie(b->address, b->port, b->lane);
  };

  std::vector<LaneId> lanes = filter.lanes;
  std::sort(lanes.begin(), lanes.end());
  lanes.erase(std::unique(lanes.begin(), lanes.end()), lanes.end());
  std::vector<Cursor> cursors(lanes.size());
  std::vector<Cursor*> heap;
  bool exhausted = false;
  for (size_t i = 0; i < lanes.size(); ++i) {
    Cursor& c = cursors[i];
    c.lane = lanes[i];
    c.statement = db_->Prepare(kByAddress);
    if (after.has_value()) {
      c.SeekTo(after->address, uint32_t{after->port} + (c.lane.value <= after->lane ? 1 : 0));
    } else {
      c.SeekTo(ranges.empty() ? IpAddress() : ranges.front().first, 0);
    }
    PORTOLAN_ASSIGN_OR_RETURN(const bool settled, settle(c));
    exhausted |= !settled;
    if (!c.done) heap.push_back(&c);
  }
  std::make_heap(heap.begin(), heap.end(), later);

  Store::RowPage page;
  while (!heap.empty()) {
    Cursor& first = *heap.front();
    if (exhausted || page.rows.size() >= limit) {
      // Everything before `first` was judged. Lanes count from 1, so this is "just before it".
      page.next =
          Store::RowKey{first.address, static_cast<uint16_t>(first.port), first.lane.value - 1};
      break;
    }
    PORTOLAN_RETURN_IF_ERROR(FillRow(*first.statement, first.lane, page.rows.emplace_back()));
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    first.Next();
    PORTOLAN_ASSIGN_OR_RETURN(const bool settled, settle(first));
    exhausted |= !settled;
    if (first.done) continue;
    heap.push_back(&first);
    std::push_heap(heap.begin(), heap.end(), later);
  }
  return page;
}

absl::StatusOr<std::vector<StoredRow>> SqliteReader::ReadRowsAt(
    LaneId lane, const std::vector<uint64_t>& positions) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  std::vector<StoredRow> out;
  Statement& s = db_->Sql(
      "SELECT address, port, position, reason, rtt_us, seen, origin, token, of_receipt FROM "
      "open_ports WHERE lane = ?1 AND position = ?2");
  for (const uint64_t position : positions) {
    if (s.Bind(lane.value, position).Step())
      PORTOLAN_RETURN_IF_ERROR(FillRow(s, lane, out.emplace_back()));
    PORTOLAN_RETURN_IF_ERROR(s.status());
  }
  return out;
}

}  // namespace portolan
