#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/program.h"
#include "cli/render/record.h"
#include "common/net/ip_address.h"
#include "portolan/v1/monitor_service.pb.h"
#include "portolan/v1/scan_service.pb.h"

// One side of `portolan diff`: which ports a scan saw open, and what it says of other ports.
namespace portolan {

// What is compared: the name when the port was found by one, else the address.
struct DiffKey {
  std::string_view name;  // normalised; of the side's TextPool. Empty: none
  IpAddress ip;           // of a name: one of its addresses; not compared
  uint16_t port = 0;
  // The lanes of the side that saw it open, a bit each; the last bit stands for all further ones.
  uint64_t lanes = 0;
};
// The order of keys; neither before the other: they are compared as one.
bool Before(const DiffKey& a, const DiffKey& b);
std::string TargetOf(const DiffKey& key);

// What one side says of a port that the other side saw open.
struct DiffAnswer {
  enum class Kind {
    kOpen,     // here as well
    kNotOpen,  // observed, and not open
    kUnknown,  // not observed: nothing can be said of a difference
  };
  Kind kind = Kind::kUnknown;
  // Of kUnknown, for programs: "cancelled", "no-agent", "attempts", "excluded", "agent-scope" (not
  // probed), "not-scanned" (not in the scan's space), "no-outcome-yet", "answers-everywhere",
  // "name-not-found", "name-not-looked-up", "not-looked-up" (beyond what diff looks up).
  std::string cause;
  std::string text;  // for people: "filtered/no-response", "not scanned"
};

// A scan, or one vantage of it. Used by one thread.
class DiffSide {
 public:
  // `text`: as the user wrote it. `run`: of a monitor, when it was named so; else nullptr.
  // NotFound: the scan has no such vantage.
  static absl::StatusOr<DiffSide> Make(std::string text, v1::Scan scan, std::string vantage,
                                       const v1::MonitorRun* run);

  const std::string& text() const { return text_; }
  const v1::Scan& scan() const { return scan_; }
  // Reads the findings about hosts. Before the calls below.
  absl::Status ReadHosts(Session& session, TextPool& pool);
  // Addresses that answer on every port, as seen from some vantage.
  std::set<IpAddress> Everywhere() const;

  // The open ports, sorted and distinct; those of hosts that answer on every port are left out, as
  // what is open there is no service. ResourceExhausted: too many.
  absl::StatusOr<std::vector<DiffKey>> Open(Session& session, TextPool& pool);
  // What this side says of `keys`, which are open on `other`; in their order. Each is judged by the
  // vantages that saw it open there, where this side has them too; else by all of this side's.
  absl::StatusOr<std::vector<DiffAnswer>> LookUp(Session& session, const DiffSide& other,
                                                 const std::vector<DiffKey>& keys, TextPool& pool);

 private:
  struct Row {
    State state = State::kOpen;
    std::string_view reason;
    bool everywhere = false;  // open, of a host that answers on every port
    bool v6 = false;
  };
  using Rows = std::map<std::string_view, std::vector<Row>>;  // by lane

  v1::ListObservationsRequest Request() const;
  std::string_view LaneOf(std::string_view vantage) const;
  size_t LaneIndex(std::string_view lane) const;
  bool IsEverywhere(const IpAddress& ip, std::string_view vantage) const {
    return everywhere_.count({ip, std::string(vantage)}) > 0;
  }
  // `part`: addresses, or names. `by_address`: names are asked for by their addresses.
  absl::Status LookUpPart(Session& session, const DiffSide& other, const std::vector<DiffKey>& part,
                          bool by_address, TextPool& pool, std::vector<DiffAnswer>* out);
  absl::StatusOr<std::map<DiffKey, Rows, decltype(&Before)>> Ask(Session& session,
                                                                 const std::vector<DiffKey>& part,
                                                                 bool by_address, TextPool& pool);
  DiffAnswer Judge(const DiffSide& other, const DiffKey& key, const Rows& rows) const;
  std::pair<std::string, std::string> WhyNothing(const DiffKey& key) const;  // cause, text

  std::string text_;
  v1::Scan scan_;
  std::string vantage_;             // empty: all
  std::vector<std::string> lanes_;  // "" alone: a scan that any vantage helps with
  // Normalised names without an address -> whether it is known that they have none, and in words.
  std::map<std::string, std::pair<bool, std::string>, std::less<>> unresolved_;
  std::set<std::pair<IpAddress, std::string>> everywhere_;  // address, vantage
  bool all_names_ = false;  // observations list every name of an address
};

}  // namespace portolan
