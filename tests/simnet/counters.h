#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "tests/simnet/limits.h"
#include "tests/simnet/tables.h"

namespace portolan::simnet {

// Things that are many at once, and the most that they were.
struct Gauge {
  uint32_t now = 0, max = 0;
  void Up() { max = std::max(max, ++now); }
  void Down() { now -= now > 0; }
};

// A window of 1 s in steps of 100 ms: no second of any beginning had more than this, but for what
// lies within 100 ms of its ends.
using SecondMax = WindowMax<10>;

struct HostEntry {
  Address address = 0;
  uint64_t syns = 0;
  SecondMax rate;
  Gauge in_flight;    // SYNs that will be answered and are not yet
  Gauge half_open;    // these, and unanswered SYNs of the last half_open_time
  Gauge connections;  // handshake complete, and neither side has ended it
  Bucket rst, icmp;
  uint32_t taken = 0;  // SYNs since it was last blocked
  Time blocked_until{};
};
struct PrefixEntry {
  Address address = 0;  // its first one
  uint64_t syns = 0;
  SecondMax rate;
  Bucket syn, icmp;
};
struct SourceEntry {
  Address address = 0;
  uint64_t syns = 0;
  SecondMax rate;
};

// All that the simulated network counts. Everything "of SYNs" is as they arrive, before any loss or
// limit of the network.
struct Counters {
  explicit Counters(Time begin) : start(begin) {}

  Time start;
  uint64_t packets_in = 0, packets_out = 0;
  uint64_t malformed = 0, bad_checksum = 0, not_tcp = 0, outside = 0;
  uint64_t send_failed = 0;  // the device did not take a reply
  // replies not sent because too many waited: the simulation's own failure
  uint64_t queue_full = 0;
  // packets that the device dropped because they were not read fast enough: likewise
  uint64_t device_drops = 0;
  uint64_t late_max_ns = 0;  // the most that a reply was sent after it was due

  uint64_t syns = 0, fins = 0, rsts = 0, acks = 0, data = 0, stray = 0;
  uint64_t distinct = 0;     // (address, port) pairs
  uint64_t repeats = 0;      // SYNs to a pair that had one, from another port
  uint64_t retransmits = 0;  // likewise, from the same source port
  // SYNs that a full table could not remember: the three above do not hold then
  uint64_t untracked = 0;
  uint64_t untracked_hosts = 0;
  uint64_t lost_out = 0, lost_in = 0;
  uint64_t link_limited = 0, prefix_limited = 0, rst_limited = 0, icmp_limited = 0, blocked = 0;
  uint64_t syn_acks = 0, resets = 0, icmp_errors = 0, silences = 0, banners = 0;
  uint64_t handshakes = 0;
  Gauge in_flight, connections;

  Time first_syn{}, last_syn{};
  WindowMax<10> per_10ms;               // in steps of 1 ms
  SecondMax per_second;                 // of all SYNs
  std::vector<uint32_t> second_counts;  // SYNs of each second since `first_syn`; the first hour

  AddressTable<HostEntry> hosts{1u << 20};
  AddressTable<PrefixEntry> prefixes{1u << 18};
  AddressTable<SourceEntry> sources{64};

  // One line of JSON.
  std::string ToJson() const;
  // address,syns,max_per_second,max_in_flight,max_half_open,max_connections: a line for each
  // address.
  std::string HostsCsv() const;
};

}  // namespace portolan::simnet
