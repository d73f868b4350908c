#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "cli/print_results.h"
#include "cli/render/result_renderer.h"

namespace portolan {

// Shows the open ports of a scan while it runs in local mode. With --json or --csv (and without
// --output) they are the record's own rows, written as they are found, and PrintResults leaves them
// out at the end. For people they are lines on stderr; the table at the end has them again, sorted.
// One thread. Bounded: after kMostRows (for people kMostLines, and kMostOfAddress of one address)
// it shows no more, and the end has the rest.
class LiveResults {
 public:
  static constexpr size_t kMostRows = 200'000, kMostLines = 1'000, kMostOfAddress = 20;

  // What it is given must outlive it. Shows nothing where `flags` want no open ports.
  LiveResults(Context& context, Session& session, std::string scan_id, const PrintFlags& flags);

  // Called with each state of the scan: looks for what is new, but not all the time. Errors are the
  // output's; that nothing could be looked up is none, because the end has everything.
  absl::Status Update(const v1::Scan& now);

  // Of the rows that were shown as the record's: whether this is one.
  bool Contains(const ResultRow& row) const;
  // The renderer that has them, which goes on with the rest; null: none is used.
  ResultRenderer* renderer() { return renderer_.get(); }

 private:
  struct Key {
    IpAddress ip;
    uint16_t port;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& k) const {
      return std::hash<IpAddress>()(k.ip) ^ (k.port * size_t{0x9E3779B97F4A7C15});
    }
  };

  absl::Status Show(const ResultRow& row);
  absl::Status ShowLine(const ResultRow& row);

  Context& context_;
  Session& session_;
  v1::ListObservationsRequest request_;
  TextPool pool_;
  bool wanted_ = false, full_ = false;
  std::unique_ptr<ResultRenderer> renderer_;  // null: lines for people
  std::unordered_set<Key, Hash> shown_;
  std::unordered_map<IpAddress, size_t> lines_of_;
  Time next_{};
  bool begun_ = false;
};

}  // namespace portolan
