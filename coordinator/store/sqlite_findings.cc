// What was found out about hosts as a whole.
#include "common/base/status.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/sqlite_reader.h"

namespace portolan {
namespace {

using Blob = Statement::Blob;

// Rows of open ports that are counted for one page; a host has up to 65,536 more.
constexpr uint64_t kMaxCounted = 200'000;

}  // namespace

absl::StatusOr<std::vector<Store::FindingCounts>> SqliteReader::CountFindings(
    const std::vector<LaneId>& lanes) {
  std::vector<Store::FindingCounts> out;
  for (const LaneId lane : lanes) {
    Statement& s =
        db_->Sql("SELECT findings, findings_dropped FROM lanes WHERE id = ?1").Bind(lane.value);
    Store::FindingCounts& counts = out.emplace_back();
    if (s.Step()) counts = {s.U64(0), s.U64(1)};
    PORTOLAN_RETURN_IF_ERROR(s.status());
    s.Reset();
  }
  return out;
}

absl::StatusOr<Store::FindingPage> SqliteReader::ReadFindings(
    LaneId lane, const std::optional<Store::FindingKey>& after, size_t limit, bool count_rows) {
  Snapshot snapshot(*db_);
  PORTOLAN_RETURN_IF_ERROR(snapshot.status());
  const std::string from = after.has_value() ? AddressKey(after->address)
                                             : std::string(1, '\0');  // before every address
  Statement& s = db_->Sql(
      "SELECT address, kind, seen, opens, outcomes, confirmed, sentinel, since, silences, origin, "
      "of_receipt "
      "FROM host_findings WHERE lane = ?1 AND (address, kind) > (?2, ?3) ORDER BY address, kind "
      "LIMIT ?4");
  s.Bind(lane.value, Blob{from}, after.has_value() ? static_cast<int64_t>(after->kind) : 0,
         static_cast<uint64_t>(limit));
  Store::FindingPage page;
  uint64_t counted = 0;
  while (counted < kMaxCounted && s.Step()) {
    Store::FindingPage::Entry& entry = page.findings.emplace_back();
    entry.finding.lane = lane;
    HostFinding& f = entry.finding.finding;
    PORTOLAN_ASSIGN_OR_RETURN(f.address, AddressFromKey(s.Bytes(0)));
    f.kind = static_cast<HostFindingKind>(s.Int(1));
    f.when = FromUnixMicros(s.Int(2));
    f.opens = static_cast<uint32_t>(s.Int(3));
    f.outcomes = static_cast<uint32_t>(s.Int(4));
    PORTOLAN_ASSIGN_OR_RETURN(f.confirmed, DecodeConfirmed(s.Bytes(5)));
    if (s.Int(6) >= 0) f.sentinel = static_cast<uint16_t>(s.Int(6));
    f.since = FromUnixMicros(s.Int(7));
    f.silences = static_cast<uint32_t>(s.Int(8));
    PORTOLAN_ASSIGN_OR_RETURN(const Origin* origin, FindOrigin(s.Int(9)));
    entry.finding.agent = origin->agent;
    entry.finding.vantage = origin->vantage;
    entry.finding.time_of_receipt = s.Int(10) != 0;
    if (!count_rows) continue;
    const std::string address = AddressKey(f.address);
    Statement& count = db_->Sql(
        "SELECT count(*) FROM open_ports INDEXED BY open_ports_by_address WHERE lane = ?1 AND "
        "address = ?2");
    if (count.Bind(lane.value, Blob{address}).Step()) entry.open_rows = count.U64(0);
    PORTOLAN_RETURN_IF_ERROR(count.status());
    count.Reset();
    counted += entry.open_rows;
  }
  PORTOLAN_RETURN_IF_ERROR(s.status());
  if (!page.findings.empty() && (page.findings.size() == limit || counted >= kMaxCounted)) {
    const HostFinding& last = page.findings.back().finding.finding;
    page.next = Store::FindingKey{last.address, last.kind};
  }
  return page;
}

}  // namespace portolan
