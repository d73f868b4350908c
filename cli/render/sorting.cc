#include "cli/render/sorting.h"

#include <algorithm>
#include <tuple>

#include "common/base/status.h"

namespace portolan {

absl::Status SortingRenderer::Add(const ResultRow& row) {
  if (streaming_) return next_.Add(row);
  rows_.push_back(row);
  if (rows_.size() <= limit_) return absl::OkStatus();
  streaming_ = true;
  overflow_();
  return PassOn();
}

absl::Status SortingRenderer::PassOn() {
  for (const ResultRow& row : rows_) PORTOLAN_RETURN_IF_ERROR(next_.Add(row));
  rows_.clear();
  rows_.shrink_to_fit();
  return absl::OkStatus();
}

absl::Status SortingRenderer::Finish(const ScanRecordEnd& end) {
  std::sort(rows_.begin(), rows_.end(), [](const ResultRow& a, const ResultRow& b) {
    return std::tie(a.ip, a.port, a.vantage) < std::tie(b.ip, b.port, b.vantage);
  });
  PORTOLAN_RETURN_IF_ERROR(PassOn());
  return next_.Finish(end);
}

}  // namespace portolan
