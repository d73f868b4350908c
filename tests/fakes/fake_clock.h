#pragma once

#include <atomic>

#include "common/base/clock.h"

namespace portolan {

// A clock that stands still until it is told to move. Thread-safe.
class FakeClock final : public Clock {
 public:
  Time Now() const override { return Time(Duration(ns_.load())); }
  WallTime Wall() const override {
    return FromUnixMicros(1'700'000'000'000'000 + ns_.load() / 1000);
  }
  void Advance(Duration d) { ns_ += d.count(); }

 private:
  std::atomic<int64_t> ns_{1'000'000'000};
};

}  // namespace portolan
