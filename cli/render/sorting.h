#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cli/render/result_renderer.h"

namespace portolan {

// Collects rows and passes them on by (address, port, vantage) once the last has come. With more
// than `limit` rows it gives up sorting: calls `overflow` once, and passes on what it has and all
// that follows as they come.
class SortingRenderer : public ResultRenderer {
 public:
  SortingRenderer(ResultRenderer& next, size_t limit, std::function<void()> overflow)
      : next_(next), limit_(limit), overflow_(std::move(overflow)) {}
  absl::Status Add(const ResultRow& row) override;
  absl::Status Finish(const ScanRecordEnd& end) override;

 private:
  absl::Status PassOn();

  ResultRenderer& next_;
  const size_t limit_;
  const std::function<void()> overflow_;
  std::vector<ResultRow> rows_;
  bool streaming_ = false;
};

}  // namespace portolan
