#include "bench/simulated_network.h"

#include <vector>

#include "common/scan/chunk_codec.h"
#include "common/scan/permutation.h"

namespace portolan::bench {
namespace {

constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kRefused{State::kClosed, Reason::kConnRefused};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};

uint64_t KeyOf(const IpAddress& address, uint16_t port) {
  return static_cast<uint64_t>(address.value()) << 16 | port;
}

double Unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

std::shared_ptr<const SimulatedNetwork::Flipped> SimulatedNetwork::flipped() const {
  MutexLock lock(mu_);
  return flipped_;
}

Symbol SimulatedNetwork::At(uint64_t key, const Flipped& flipped) const {
  const bool open = Unit(MixSeed(seed_, key)) < open_;
  if (open != (!flipped.empty() && flipped.count(key) > 0)) return kOpen;
  return (MixSeed(seed_ + 1, patternless_ ? key : key >> 16) & 1) != 0 ? kSilent : kRefused;
}

Symbol SimulatedNetwork::At(const IpAddress& address, uint16_t port) const {
  return At(KeyOf(address, port), *flipped());
}

void SimulatedNetwork::Flip(const IpAddress& address, uint16_t port) {
  MutexLock lock(mu_);
  auto next = std::make_shared<Flipped>(*flipped_);
  if (const uint64_t key = KeyOf(address, port); next->erase(key) == 0) next->insert(key);
  flipped_ = std::move(next);
}

std::shared_ptr<const SimChunk> SimulatedNetwork::Make(
    const std::shared_ptr<const ScanSpace>& space, uint64_t begin, uint32_t count,
    std::mt19937_64& random) const {
  const std::shared_ptr<const Flipped> changes = flipped();
  const GroupView view(space, space->GroupOf(begin));
  auto chunk = std::make_shared<SimChunk>();
  chunk->count = count;
  std::vector<Symbol> symbols(count);
  for (uint32_t i = 0; i < count; ++i) {
    const ScanSpace::Endpoint e = view.At(begin + i);
    symbols[i] = At(KeyOf(e.address, e.port), *changes);
    if (symbols[i] != kOpen) continue;
    chunk->open_at.push_back(i);
    chunk->rtt_us.push_back(200 + static_cast<uint32_t>(random() % 80'000));
    chunk->time_ms.push_back(0);
  }
  chunk->outcomes = EncodeOutcomes(symbols);
  return chunk;
}

}  // namespace portolan::bench
