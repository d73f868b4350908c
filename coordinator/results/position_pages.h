#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/results/host_marks.h"
#include "coordinator/results/lane_group.h"
#include "coordinator/results/page_token.h"
#include "coordinator/results/result_reader.h"

namespace portolan {

// What results need of a scan: nothing that changes while it runs.
struct ResultScan {
  struct Lane {
    LaneId id;
    std::string vantage;
  };
  ScanId id;
  std::shared_ptr<const ScanSpec> spec;
  std::vector<Lane> lanes;
  // Of each address the names that led to it, in the order of the request; at most kMaxNames.
  static constexpr size_t kMaxNames = 100;
  std::unordered_map<IpAddress, std::vector<std::string>> names;

  // NotFound: no such scan.
  static absl::StatusOr<ResultScan> Load(Store& store, const ScanId& id);
  bool Selects(const Lane& lane, const ResultQuery& query) const;
  std::vector<std::string> NamesOf(const IpAddress& address) const;
  // All but lane, address, port and state.
  void Describe(const StoredRow& row, Observation& out) const;
};

// One page of outcomes of any state, group by group. Lives for one call.
class PositionPages {
 public:
  PositionPages(Store& store, LaneGroupCache& groups, const ResultScan& scan,
                const ResultQuery& query, uint64_t digest, const HostMarks& marks);
  absl::StatusOr<ResultPage> Page(PositionPlace from);

 private:
  // The groups that hold the query's addresses, when these are few; by where they begin.
  void FindGroups();
  // The first group at or after `from` that may hold something wanted; nullopt: none.
  absl::StatusOr<std::optional<ScanSpace::Group>> NextGroup(uint64_t from);
  // Adds what is wanted of a group, from a place in it on. True: all of it was looked at; else
  // `from` is where to go on.
  absl::StatusOr<bool> Walk(const ScanSpace::Group& group, PositionPlace& from);
  void Emit(const GroupView& view, uint64_t natural, uint64_t index, size_t lane, Symbol symbol,
            const LaneGroup& outcomes);
  // Open ports have their round-trip time, time and source in a row of their own.
  absl::Status AddRows();

  Store& store_;
  LaneGroupCache& cache_;
  const ResultScan& scan_;
  const ResultQuery& query_;
  const uint64_t digest_;
  const HostMarks& marks_;
  std::vector<ResultScan::Lane> lanes_;
  uint32_t states_ = 0;  // wanted, a bit each
  bool few_groups_ = false;
  std::vector<uint64_t> groups_;  // when few
  uint64_t looked_at_ = 0;        // positions times lanes
  ResultPage page_;
  // observations on the page that are open, and their position
  std::vector<std::pair<size_t, uint64_t>> open_;
};

}  // namespace portolan
