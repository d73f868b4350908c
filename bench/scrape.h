#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace portolan::bench {

// What a Prometheus would get, and how long it would wait for it.
struct ScrapeResult {
  double ms = 0;  // from before the connection is made to the last byte
  std::string text;

  uint64_t Series() const;
  uint64_t Series(std::string_view metric) const;  // of this name
  double Sum(std::string_view metric, std::string_view label = "") const;
  double Largest(std::string_view metric) const;  // 0 when there is none
};

// GET /metrics of "HOST:PORT". Ends the program when nobody answers.
ScrapeResult Scrape(const std::string& address);

}  // namespace portolan::bench
