#include "coordinator/store/store.h"

namespace portolan {
namespace {

size_t Bytes(const std::vector<IndexRange>& ranges) { return ranges.size() * sizeof(IndexRange); }

size_t Bytes(const Change& change) {
  size_t n = sizeof(Change);
  if (const auto* lease = std::get_if<PutLease>(&change)) n += Bytes(lease->lease.ranges);
  if (const auto* gaps = std::get_if<PutGaps>(&change)) n += gaps->gaps.size() * sizeof(Gap);
  if (const auto* tried = std::get_if<PutAttempts>(&change))
    n += tried->attempts.size() * sizeof(tried->attempts[0]);
  return n;
}

}  // namespace

bool WriteBatch::empty() const {
  return new_scans.empty() && requests.empty() && changes.empty() && chunks.empty() &&
         counts.empty() && rows.empty() && superseded.empty() && findings.empty() && !next_token &&
         delete_scans.empty() && vantages.empty() && forget_vantages.empty();
}

size_t WriteBatch::bytes() const {
  size_t n = sizeof(WriteBatch) + rows.size() * sizeof(StoredRow) +
             counts.size() * sizeof(counts[0]) + superseded.size() * sizeof(SupersededRows) +
             new_scans.size() * 4096;
  for (const StoredChunk& chunk : chunks) n += sizeof(StoredChunk) + chunk.outcomes.size();
  for (const StoredFinding& f : findings)
    n += sizeof(f) + f.finding.confirmed.size() * sizeof(ConfirmedPort);
  for (const Change& change : changes) n += Bytes(change);
  n += (vantages.size() + forget_vantages.size()) * 128;
  return n;
}

}  // namespace portolan
