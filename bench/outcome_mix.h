#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/scan/scan_space.h"
#include "portolan/v1/fleet_service.pb.h"

namespace portolan::bench {

// What simulated agents see.
struct Mix {
  double open = 0, refused = 0;  // of the positions; the others are silent
  // Else each position is drawn on its own, which compresses worst. By address: `live` of the
  // addresses refuse, with `open` of their ports open; the others are silent; as in a real network.
  bool by_address = false;
  double live = 0;

  // "dark", "refused", "random" (1 % open, the rest refused or silent alike), "network" (1 address
  // of 20 is there, with 1 % of its ports open). Exits with 2 for another name.
  static Mix Named(const std::string& name);
};

// A chunk as an agent reports it: outcomes, and its open ports as columns. Without token and
// position.
struct SimChunk {
  uint32_t count = 0;
  std::string outcomes;
  std::vector<uint32_t> open_at;  // offsets, ascending
  std::vector<uint32_t> rtt_us, time_ms;

  void FillChunk(uint64_t token, uint64_t begin, v1::Chunk* out) const;
  // Those at offsets [from, to). False: there is none, and nothing was added.
  bool FillOpens(uint64_t token, uint64_t begin, uint32_t from, uint32_t to,
                 v1::ReportBatch* out) const;
};

// What a simulated agent sees at positions of a scan. Thread-safe.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  // Positions [begin, begin + count) of one group of `space`. Null `space`: of a bare agent.
  virtual std::shared_ptr<const SimChunk> Make(const std::shared_ptr<const ScanSpace>& space,
                                               uint64_t begin, uint32_t count,
                                               std::mt19937_64& random) const = 0;
};

// By a mix. Chunks of `usual` positions are taken from a stock, so that a benchmark does not
// measure its own random numbers.
class ChunkMaker final : public ChunkSource {
 public:
  ChunkMaker(const Mix& mix, uint32_t usual, uint64_t seed);
  std::shared_ptr<const SimChunk> Make(const std::shared_ptr<const ScanSpace>& space,
                                       uint64_t begin, uint32_t count,
                                       std::mt19937_64& random) const override;

 private:
  std::shared_ptr<const SimChunk> MakeNew(const std::shared_ptr<const ScanSpace>& space,
                                          uint64_t begin, uint32_t count,
                                          std::mt19937_64& random) const;

  const Mix mix_;
  const uint32_t usual_;
  std::vector<std::shared_ptr<const SimChunk>> stock_;
};

}  // namespace portolan::bench
