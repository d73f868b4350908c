#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <random>
#include <string>

#include "common/scan/chunk_codec.h"
#include "coordinator/store/store.h"
#include "tests/fakes/temp_directory.h"

// What the contract tests of stores share: how each implementation is opened, and small scans to
// put in.
namespace portolan::store_test {

struct Implementation {
  std::string name;
  // `place`: a directory of the test's own, kept between calls. `max_bytes`: as SqliteOptions; 0:
  // no limit.
  std::function<absl::StatusOr<std::unique_ptr<Store>>(const std::string& place,
                                                       uint64_t max_bytes)>
      open;
  bool single_file = false;  // PLACE/portolan.db holds everything: may be copied at any moment
};
inline std::vector<Implementation> Implementations() {
  return {{"Sqlite",
           [](const std::string& place, uint64_t max_bytes) {
             SqliteOptions options;
             options.directory = place;
             options.max_bytes = max_bytes;
             options.sync_full = false;  // a killed process loses nothing that the kernel has; only
                                         // a power cut needs the fsync
             return OpenSqliteStore(options);
           },
           true}};
}

inline std::shared_ptr<const ScanSpec> MakeSpec(uint32_t first_address = 0x0A000000,
                                                uint32_t addresses = 256, uint16_t ports = 100) {
  auto spec = std::make_shared<ScanSpec>();
  spec->name = "a scan";
  spec->target_texts = {"10.0.0.0/24"};
  spec->ports_text = "1-100";
  Block block{
      IpSet::Of({{IpAddress::V4(first_address), IpAddress::V4(first_address + addresses - 1)}}),
      PortSet::Of({{1, ports}})};
  spec->space = *ScanSpace::Create({block}, 42);
  spec->names = {{"host.example", {IpAddress::V4(first_address)}}};
  spec->vantages = {"dmz"};
  spec->mode = ScanMode::kEachVantage;
  return spec;
}

inline ScanRecord MakeScan(const ScanId& id, std::vector<uint64_t> lanes,
                           std::shared_ptr<const ScanSpec> spec = MakeSpec()) {
  ScanRecord record;
  record.id = id;
  record.spec = std::move(spec);
  record.created = FromUnixMicros(1'700'000'000'000'000);
  for (const uint64_t lane : lanes) {
    record.lanes.emplace_back();
    record.lanes.back().id = LaneId{lane};
    record.lanes.back().vantage = "vantage-" + std::to_string(lane);
  }
  return record;
}

inline StoredChunk MakeChunk(uint64_t lane, uint64_t begin, const std::vector<Symbol>& outcomes) {
  StoredChunk chunk;
  chunk.lane = LaneId{lane};
  chunk.range = {begin, begin + outcomes.size()};
  chunk.agent = "agent-1";
  chunk.vantage = "dmz";
  chunk.start = FromUnixMicros(1'700'000'001'000'000 + static_cast<int64_t>(begin));
  chunk.duration_ms = 1500;
  chunk.outcomes = EncodeOutcomes(outcomes);
  return chunk;
}

inline StoredRow MakeRow(uint64_t lane, uint64_t index, uint64_t token, const ScanSpace& space) {
  StoredRow row;
  row.lane = LaneId{lane};
  row.row.index = index;
  row.row.rtt_us = static_cast<uint32_t>(100 + token);
  row.row.when = FromUnixMicros(1'700'000'002'000'000 + static_cast<int64_t>(index));
  row.row.source = IpAddress::V4(0xC6120001);
  row.address = space.At(index).address;
  row.port = space.At(index).port;
  row.agent = "agent-1";
  row.vantage = "dmz";
  row.token = Token{token};
  return row;
}

inline constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
inline constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};
inline constexpr Symbol kOpened{State::kOpen, Reason::kSynAck};
inline constexpr Symbol kOwedSymbol{State::kOwed, Reason::kChunkClosed};

class StoreTest : public ::testing::TestWithParam<Implementation> {
 protected:
  // Closes and opens again; the state that a coordinator starts from.
  Store::StartState Reopen(uint64_t max_bytes = 0) {
    store_.reset();
    auto store = GetParam().open(place_, max_bytes);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto state = store_->Load();
    EXPECT_TRUE(state.ok()) << state.status();
    return *std::move(state);
  }
  // Returns after the commit.
  void Commit(WriteBatch batch) {
    std::promise<void> committed;
    store_->Write(std::move(batch), [&] { committed.set_value(); });
    Await(committed);
  }
  void CommitCompaction(CompactedGroup group) {
    std::promise<void> committed;
    store_->Compact(std::move(group), [&] { committed.set_value(); });
    Await(committed);
  }
  // A commit that never comes would hang the test: a store's Health says why, and then there is
  // nothing to go on with.
  void Await(std::promise<void>& committed) {
    const auto future = committed.get_future();
    while (future.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
      const absl::Status health = store_->Health();
      if (health.ok()) continue;
      fprintf(stderr, "the store does not commit: %s\n", health.ToString().c_str());
      abort();
    }
  }
  void Create(ScanRecord record) {
    WriteBatch batch;
    batch.new_scans.push_back(std::move(record));
    Commit(std::move(batch));
  }
  void Finish(const ScanId& id, int64_t finished_us = 1'700'000'100'000'000) {
    WriteBatch batch;
    batch.changes.push_back(PutScanState{id, ScanState::kComplete,
                                         FromUnixMicros(1'700'000'000'500'000),
                                         FromUnixMicros(finished_us)});
    Commit(std::move(batch));
  }

  const TempDirectory directory_;
  const std::string& place_ = directory_.path();
  std::unique_ptr<Store> store_;
};

inline std::string ImplementationName(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}

}  // namespace portolan::store_test
