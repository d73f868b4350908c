#include "agent/link/balance.h"

#include <algorithm>
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

size_t LeastLoaded(const std::vector<ThreadLoad>& loads) {
  const auto best = std::min_element(loads.begin(), loads.end(), [](const ThreadLoad& a, const ThreadLoad& b) {
    return std::make_tuple(a.unprobed, Weight(a)) < std::make_tuple(b.unprobed, Weight(b));
  });
  return static_cast<size_t>(best - loads.begin());
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
