#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace portolan::bench {

// "NAME: FIGURE (wanted WANTED) ok" on stdout; run.sh collects these lines into its table. `met`
// false: "MISSED".
void PrintSummary(const std::string& name, const std::string& figure, const std::string& wanted,
                  bool met);

// 0 < q < 1; the values need not be sorted. 0 of none.
double Quantile(std::vector<double> values, double q);
inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

// "5.32 M", "812 k", "97".
std::string Count(double n);
std::string MiB(uint64_t bytes);

// "--key=value" of the command line; `fallback` when it is not there. Exits with 2 on an argument
// that is in none of `keys`.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::vector<std::string> keys);
  std::string Text(const std::string& key, const std::string& fallback = "") const;
  double Number(const std::string& key, double fallback) const;

 private:
  std::vector<std::pair<std::string, std::string>> given_;
};

}  // namespace portolan::bench
