#include "agent/link/balance.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace portolan {
namespace {

uint32_t Weight(const ThreadLoad& load) {
  uint32_t sum = 0;
  for (const auto& [scan, weight] : load.weight) sum += weight;
  return sum;
}

uint32_t WeightOf(const ThreadLoad& load, const std::string& scan) {
  const auto it = load.weight.find(scan);
  return it == load.weight.end() ? 0 : it->second;
}

}  // namespace

std::vector<uint64_t> SplitWork(uint64_t size, const std::vector<ThreadLoad>& loads,
                                uint64_t least) {
  std::vector<size_t> by_load(loads.size());
  std::iota(by_load.begin(), by_load.end(), size_t{0});
  std::stable_sort(by_load.begin(), by_load.end(), [&](size_t a, size_t b) {
    return std::make_tuple(loads[a].unprobed, Weight(loads[a])) <
           std::make_tuple(loads[b].unprobed, Weight(loads[b]));
  });
  // The level that the work reaches when it is poured over the first `n` threads, for the largest n
  // of which the fullest still gets its least.
  std::vector<uint64_t> out(loads.size(), 0);
  size_t n = loads.size();
  uint64_t below = 0;
  for (size_t i = 0; i < n; ++i) below += loads[by_load[i]].unprobed;
  while (n > 1 &&
         (size + below) / n < loads[by_load[n - 1]].unprobed + std::max<uint64_t>(least, 1)) {
    below -= loads[by_load[n - 1]].unprobed;
    --n;
  }
  const uint64_t level = (size + below) / n;
  uint64_t left = size;
  for (size_t i = n; i-- > 0;) {
    // The least loaded one gets what rounding left.
    out[by_load[i]] = i == 0 ? left : std::min(left, level - loads[by_load[i]].unprobed);
    left -= out[by_load[i]];
  }
  return out;
}

std::vector<std::map<std::string, double>> DivideShares(const std::map<std::string, double>& shares,
                                                        const std::vector<ThreadLoad>& loads) {
  std::vector<std::map<std::string, double>> out(loads.size());
  for (const auto& [scan, share] : shares) {
    uint32_t all = 0;
    for (const ThreadLoad& load : loads) all += WeightOf(load, scan);
    for (size_t i = 0; i < loads.size(); ++i) {
      const uint32_t own = WeightOf(loads[i], scan);
      if (share < 0) {
        out[i][scan] = share;
      } else {
        out[i][scan] = own == 0 ? 0 : own == all ? share : share * (static_cast<double>(own) / all);
      }
    }
  }
  return out;
}

std::vector<double> DivideRate(double max_rate, const std::vector<ThreadLoad>& loads) {
  std::vector<double> out(loads.size(), 0);
  if (max_rate <= 0) return out;
  const auto busy = static_cast<size_t>(
      std::count_if(loads.begin(), loads.end(), [](const ThreadLoad& l) { return Weight(l) > 0; }));
  out.assign(loads.size(), max_rate / static_cast<double>(busy == 0 ? loads.size() : busy));
  return out;
}

}  // namespace portolan
