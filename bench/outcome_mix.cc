#include "bench/outcome_mix.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "common/scan/chunk_codec.h"
#include "common/scan/permutation.h"

namespace portolan::bench {
namespace {

constexpr int kStock = 16;
constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
constexpr Symbol kRefused{State::kClosed, Reason::kConnRefused};
constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};

double Unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

uint64_t NumberOf(const IpAddress& address) {
  uint64_t n = 0;
  for (const char byte : address.ToBytes()) n = n << 8 | static_cast<unsigned char>(byte);
  return n;
}

int64_t NowUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Mix Mix::Named(const std::string& name) {
  if (name == "dark") return {};
  if (name == "refused") return {0, 1, false, 0};
  if (name == "random") return {0.01, 0.495, false, 0};
  if (name == "network") return {0.01, 0, true, 0.05};
  fmt::print(stderr, "no mix \"{}\": dark, refused, random, network\n", name);
  std::exit(2);
}

void SimChunk::FillChunk(uint64_t token, uint64_t begin, v1::Chunk* out) const {
  constexpr uint32_t kDurationMs = 330;
  out->set_token(token);
  out->set_begin(begin);
  out->set_count(count);
  out->set_start_unix_us(NowUs() - int64_t{kDurationMs} * 1000);
  out->set_duration_ms(kDurationMs);
  out->set_outcomes(outcomes);
}

bool SimChunk::FillOpens(uint64_t token, uint64_t begin, uint32_t from, uint32_t to,
                         v1::ReportBatch* out) const {
  v1::OpenPorts* opens = nullptr;
  uint64_t last = 0;
  for (size_t i = 0; i < open_at.size(); ++i) {
    if (open_at[i] < from || open_at[i] >= to) continue;
    if (opens == nullptr) {
      opens = out->add_open_ports();
      opens->set_token(token);
      opens->set_source(std::string("\x7f\0\0\1", 4));
      opens->set_base_unix_us(NowUs());
    }
    opens->add_index_delta(begin + open_at[i] - last);
    last = begin + open_at[i];
    opens->add_rtt_us(rtt_us[i]);
    opens->add_time_delta_ms(time_ms[i]);
  }
  return opens != nullptr;
}

ChunkMaker::ChunkMaker(const Mix& mix, uint32_t usual, uint64_t seed) : mix_(mix), usual_(usual) {
  if (mix.by_address) return;
  std::mt19937_64 random(seed);
  for (int i = 0; i < kStock; ++i) stock_.push_back(MakeNew(nullptr, 0, usual, random));
}

std::shared_ptr<const SimChunk> ChunkMaker::Make(const std::shared_ptr<const ScanSpace>& space,
                                                 uint64_t begin, uint32_t count,
                                                 std::mt19937_64& random) const {
  if (count == usual_ && !stock_.empty()) return stock_[random() % stock_.size()];
  return MakeNew(space, begin, count, random);
}

std::shared_ptr<const SimChunk> ChunkMaker::MakeNew(const std::shared_ptr<const ScanSpace>& space,
                                                    uint64_t begin, uint32_t count,
                                                    std::mt19937_64& random) const {
  auto chunk = std::make_shared<SimChunk>();
  chunk->count = count;
  std::vector<Symbol> symbols(count);
  std::unique_ptr<GroupView> view;
  if (mix_.by_address) view = std::make_unique<GroupView>(space, space->GroupOf(begin));
  for (uint32_t i = 0; i < count; ++i) {
    if (mix_.by_address) {
      const uint64_t address = NumberOf(view->At(begin + i).address);
      const bool live = Unit(MixSeed(address, 1)) < mix_.live;
      symbols[i] = !live ? kSilent : Unit(random()) < mix_.open ? kOpen : kRefused;
    } else {
      const double u = Unit(random());
      symbols[i] = u < mix_.open ? kOpen : u < mix_.open + mix_.refused ? kRefused : kSilent;
    }
    if (symbols[i] != kOpen) continue;
    chunk->open_at.push_back(i);
    chunk->rtt_us.push_back(200 + static_cast<uint32_t>(random() % 80'000));
    chunk->time_ms.push_back(static_cast<uint32_t>(uint64_t{330} * i / count));
  }
  chunk->outcomes = EncodeOutcomes(symbols);
  return chunk;
}

}  // namespace portolan::bench
