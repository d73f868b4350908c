#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// How an agent divides what it holds over its probe threads. Pure.
namespace portolan {

// What one probe thread has to do.
struct ThreadLoad {
  // A lease that has positions to begin weighs this much, one that only waits for answers and
  // retries 1.
  static constexpr uint32_t kWalking = 4;

  uint64_t unprobed = 0;                   // positions, over all its leases
  std::map<std::string, uint32_t> weight;  // by scan: of its leases that are not fully reported
};

// How many of `size` new positions each thread takes, so that the one with the most to do has as
// little as can be: the least loaded are filled up to one level. A part is at least `least`
// positions, or all of them: a chunk of a few positions costs more than it helps. `loads` is not
// empty.
std::vector<uint64_t> SplitWork(uint64_t size, const std::vector<ThreadLoad>& loads,
                                uint64_t least);

// Each thread's part of each scan's rate, in proportion to its leases of that scan; the parts of a
// scan never sum to more than its share. A thread without a lease of a scan gets 0; a negative
// share (no limit) is passed to all.
std::vector<std::map<std::string, double>> DivideShares(const std::map<std::string, double>& shares,
                                                        const std::vector<ThreadLoad>& loads);

// The agent's own limit, over the threads that have work, equally; 0: no limit. A thread without
// work gets what one with work gets: it has nothing to spend it on, and gets less before it has.
std::vector<double> DivideRate(double max_rate, const std::vector<ThreadLoad>& loads);

}  // namespace portolan
