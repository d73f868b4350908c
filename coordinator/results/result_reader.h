#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"
#include "common/scan/host_finding.h"
#include "common/scan/observation.h"
#include "coordinator/store/store.h"

namespace portolan {

struct ResultQuery {
  std::vector<State> states;          // empty: open only. kOwed is not a result.
  IpSet addresses;                    // empty: all
  PortSet ports;                      // empty: all
  std::vector<std::string> vantages;  // empty: all
  // Leaves out open ports of hosts that answer everywhere.
  bool without_everywhere_open = false;
  size_t limit = 500;  // observations on a page, 1 to 10,000
};

struct Observation {
  LaneId lane;
  std::string vantage;  // of the lane; split: of the agent that saw it; empty: not known
  IpAddress address;
  uint16_t port = 0;
  State state = State::kOpen;
  Reason reason = Reason::kNone;
  std::optional<uint32_t> rtt_us;  // open ports only
  WallTime when;      // open: when it was seen; others: when its chunk began; gaps: the epoch, 0
  std::string agent;  // empty: not known, or nobody (gaps)
  std::optional<IpAddress> source;
  // The agent's clock could not be believed: `when` is when the coordinator received it.
  bool time_of_receipt = false;
  std::vector<std::string> names;  // host names that led to the address; at most the first 100
  // Open ports of a host that answers everywhere, as seen from this lane.
  std::optional<HostFindingKind> host_finding;
};

struct ResultPage {
  std::vector<Observation> observations;
  std::string next_page_token;  // empty: the end. A page may be empty and still have one: a bounded
                                // part was searched.
};

struct FindingRow {
  HostFinding finding;
  std::string vantage;  // of the lane; split: of the agent that found it
  std::string agent;
  std::vector<std::string> names;  // as of an Observation
  uint64_t open_ports = 0;         // rows of open ports of the address in the lane
  uint32_t ports = 0;              // that the scan asks of the address
  bool time_of_receipt = false;    // as of an Observation, for finding.when
};
struct FindingRows {
  std::vector<FindingRow> findings;
  std::string next_page_token;      // as in ResultPage
  uint64_t total = 0, dropped = 0;  // of the whole scan
};

// Answers questions about a scan's outcomes. Thread-safe; blocks on the store, so never call it on
// a gRPC callback thread. Borrows the store. Order: open only: by address, port, lane. With other
// states: group by group in the order of the scan space; in a group by address, port, lane.
// Positions without an outcome yet are left out.
class ResultReader {
 public:
  struct Options {
    size_t max_cached_bytes = 64u << 20;  // decoded groups and scans kept for the next page
  };
  ResultReader(Store& store, Options options);
  explicit ResultReader(Store& store) : ResultReader(store, Options{}) {}
  ~ResultReader();

  // NotFound: no such scan (`id` is a whole id). InvalidArgument: the limit, a state, a vantage
  // that the scan does not have, or a page token that is not one that this very query got.
  absl::StatusOr<ResultPage> Page(const ScanId& id, const ResultQuery& query,
                                  const std::string& page_token);
  // Findings about the hosts that the query selects, lane by lane, by address. Its states and ports
  // do not matter. Errors as above.
  absl::StatusOr<FindingRows> Findings(const ScanId& id, const ResultQuery& query,
                                       const std::string& page_token);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan
