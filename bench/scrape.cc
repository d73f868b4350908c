#include "bench/scrape.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <cstdlib>

#include "bench/lab.h"

namespace portolan::bench {
namespace {

// Calls `f(value)` for each sample of `metric` whose labels contain `label`; an empty `metric` is
// all of them.
template <typename F>
void ForEach(std::string_view text, std::string_view metric, std::string_view label, F f) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#') continue;
    const std::string_view name = line.substr(0, line.find_first_of("{ "));
    if (!metric.empty() && name != metric) continue;
    const size_t space = line.rfind(' ');
    if (line.substr(0, space).find(label) == std::string_view::npos) continue;
    f(std::strtod(std::string(line.substr(space + 1)).c_str(), nullptr));
  }
}

}  // namespace

uint64_t ScrapeResult::Series() const { return Series(""); }

uint64_t ScrapeResult::Series(std::string_view metric) const {
  uint64_t n = 0;
  ForEach(text, metric, "", [&](double) { ++n; });
  return n;
}

double ScrapeResult::Sum(std::string_view metric, std::string_view label) const {
  double sum = 0;
  ForEach(text, metric, label, [&](double value) { sum += value; });
  return sum;
}

double ScrapeResult::Largest(std::string_view metric) const {
  double largest = 0;
  ForEach(text, metric, "", [&](double value) { largest = std::max(largest, value); });
  return largest;
}

ScrapeResult Scrape(const std::string& address) {
  const auto begin = Steady::now();
  httplib::Client client("http://" + address);
  client.set_read_timeout(30);
  const auto answer = client.Get("/metrics");
  if (!answer || answer->status != 200) {
    Die(fmt::format("GET http://{}/metrics: {}", address,
                    answer ? std::to_string(answer->status) : httplib::to_string(answer.error())));
  }
  return {std::chrono::duration<double, std::milli>(Steady::now() - begin).count(), answer->body};
}

}  // namespace portolan::bench
