#include "bench/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace portolan::bench {

void PrintSummary(const std::string& name, const std::string& figure, const std::string& wanted,
                  bool met) {
  fmt::print("{}: {} (wanted {}) {}\n", name, figure, wanted, met ? "ok" : "MISSED");
  std::fflush(stdout);
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

std::string Count(double n) {
  if (n >= 1e9) return fmt::format("{:.2f} G", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.2f} M", n / 1e6);
  if (n >= 1e4) return fmt::format("{:.0f} k", n / 1e3);
  return fmt::format("{:.0f}", n);
}

std::string MiB(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

Arguments::Arguments(int argc, char** argv, std::vector<std::string> keys) {
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    const std::string key = text.rfind("--", 0) == 0 ? text.substr(2, equals - 2) : "";
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      fmt::print(stderr, "unknown argument {}; there are:", text);
      for (const std::string& k : keys) fmt::print(stderr, " --{}=...", k);
      fmt::print(stderr, "\n");
      std::exit(2);
    }
    given_.emplace_back(key, equals == std::string::npos ? "1" : text.substr(equals + 1));
  }
}

std::string Arguments::Text(const std::string& key, const std::string& fallback) const {
  for (const auto& [k, value] : given_) {
    if (k == key) return value;
  }
  return fallback;
}

double Arguments::Number(const std::string& key, double fallback) const {
  const std::string text = Text(key);
  return text.empty() ? fallback : std::strtod(text.c_str(), nullptr);
}

}  // namespace portolan::bench
