#pragma once

#include <memory>
#include <set>
#include <utility>

#include "bench/outcome_mix.h"
#include "common/base/mutex.h"
#include "common/net/ip_address.h"
#include "common/scan/observation.h"

namespace portolan::bench {

// A network whose every port is known: what one finds is a function of (address, port, seed) and of
// the ports that were changed by hand. `open` of all ports are open; behind half of the addresses
// (or, `patternless`, at half of all ports) nothing else answers, elsewhere the rest refuses. The
// same from everywhere. Thread-safe. IPv4.
class SimulatedNetwork final : public ChunkSource {
 public:
  SimulatedNetwork(double open, bool patternless, uint64_t seed)
      : open_(open), patternless_(patternless), seed_(seed) {}

  Symbol At(const IpAddress& address, uint16_t port) const EXCLUDES(mu_);
  // Makes an open port what the closed ones are there, or another one open; again: as before.
  void Flip(const IpAddress& address, uint16_t port) EXCLUDES(mu_);

  std::shared_ptr<const SimChunk> Make(const std::shared_ptr<const ScanSpace>& space,
                                       uint64_t begin, uint32_t count,
                                       std::mt19937_64& random) const override;

 private:
  using Flipped = std::set<uint64_t>;  // address << 16 | port
  std::shared_ptr<const Flipped> flipped() const EXCLUDES(mu_);
  Symbol At(uint64_t key, const Flipped& flipped) const;

  const double open_;
  const bool patternless_;
  const uint64_t seed_;
  mutable Mutex mu_;
  // Shared with the chunks that are being made.
  std::shared_ptr<const Flipped> flipped_ GUARDED_BY(mu_) = std::make_shared<Flipped>();
};

}  // namespace portolan::bench
