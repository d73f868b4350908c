#include "coordinator/control/scan_finder.h"

#include <vector>

#include "common/base/escape.h"
#include "common/base/status.h"
#include "coordinator/control/scan_status.h"

namespace portolan {
namespace {

constexpr int kMaxPagesToLast = 100;

}  // namespace

bool ScanFinder::IsWholeId(const std::string& ref) {
  return ref.size() == kScanIdLength && ref.find_first_not_of(kScanIdAlphabet) == std::string::npos;
}

absl::StatusOr<ScanId> ScanFinder::FindLast() const {
  // Of those that somebody asked for: monitors make scans all the time.
  ScanId after;
  for (int page = 0; page < kMaxPagesToLast; ++page) {
    PORTOLAN_ASSIGN_OR_RETURN(const std::vector<ScanSummary> scans, store_.ListScans(100, after));
    for (const ScanSummary& s : scans) {
      if (s.record.spec->monitor.empty()) return s.record.id;
      after = s.record.id;
    }
    if (scans.empty()) break;
  }
  return NotFound("scan \"last\": nobody has asked for a scan yet; those of monitors have ids");
}

// "last", then an exact id, then an exact name (the newest of that name), then the unique beginning
// of an id. What cannot be taken back wants a scan that cannot be meant otherwise.
absl::StatusOr<ScanId> ScanFinder::Find(const std::string& ref, Purpose purpose) const {
  if (ref.empty()) {
    return InvalidArgument(
        "scan_id: empty; give an id, the beginning of one, a scan's name, or \"last\"");
  }
  if (ref == "last") return FindLast();
  std::vector<ScanId> ids;
  if (ref.size() <= kScanIdLength && ref.find_first_not_of(kScanIdAlphabet) == std::string::npos) {
    PORTOLAN_ASSIGN_OR_RETURN(ids, store_.FindScans(ref, 2));
    if (!ids.empty() && ids[0] == ref) return ids[0];
  }
  PORTOLAN_ASSIGN_OR_RETURN(const std::vector<ScanId> named, store_.FindScansNamed(ref, 2));
  if (purpose == Purpose::kEnd && named.size() > 1) {
    return InvalidArgument(
        "scan \"{}\": more than one has this name, {} and {} the newest of them; give the id",
        Escaped(ref), named[0], named[1]);
  }
  if (purpose == Purpose::kEnd && !named.empty() && !ids.empty() &&
      (ids.size() > 1 || ids[0] != named[0])) {
    return InvalidArgument(
        "scan \"{}\": the name of {}, and the beginning of the id {}; give a whole id",
        Escaped(ref), named[0], ids[0] != named[0] ? ids[0] : ids[1]);
  }
  if (!named.empty()) return named[0];
  if (ids.size() > 1) {
    return InvalidArgument("scan_id \"{}\": begins {}, {} and perhaps others; give more of it", ref,
                           ids[0], ids[1]);
  }
  if (!ids.empty()) return ids[0];
  return NotFound(
      "scan \"{}\": no such scan: nothing has this id, a beginning like it, or this name",
      Escaped(ref));
}

}  // namespace portolan
