#pragma once

#include <gmock/gmock.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/results/result_reader.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

inline constexpr Symbol kClosed{State::kClosed, Reason::kConnRefused};
inline constexpr Symbol kOpen{State::kOpen, Reason::kSynAck};
inline constexpr Symbol kSilent{State::kFiltered, Reason::kNoResponse};
inline constexpr Symbol kNoWay{State::kUnreachable, Reason::kHostUnreachable};
inline constexpr Symbol kExcludedSymbol{State::kNotProbed, Reason::kExcluded};
inline constexpr Symbol kUnknown{State::kOwed, Reason::kNone};

// A store of its own with one scan, "scan", and a reader of it.
class ResultReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SqliteOptions options;
    options.directory = place_.path();
    options.sync_full = false;
    store_ = *OpenSqliteStore(options);
    ASSERT_TRUE(store_->Load().ok());
  }
  void Commit(WriteBatch batch) {
    std::promise<void> done;
    store_->Write(std::move(batch), [&] { done.set_value(); });
    done.get_future().wait();
  }
  // Two blocks, both families, three groups (one of a single address).
  void MakeSpace() {
    Block many{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A000000 + 4599)}}),
               PortSet::Of({{22, 22}, {80, 81}})};
    Block one{IpSet::Of({{*IpAddress::Parse("2001:db8::1"), *IpAddress::Parse("2001:db8::1")}}),
              PortSet::Of({{1, 500}})};
    space_ = *ScanSpace::Create({many, one}, 11);
    ASSERT_EQ(space_->group_count(), 3u);
  }
  void Create(ScanMode mode, std::vector<std::string> lanes) {
    ScanSpec spec;
    spec.space = space_;
    spec.mode = mode;
    spec.names = {{"host.example", {IpAddress::V4(0x0A000003), *IpAddress::Parse("2001:db8::1")}},
                  {"alias.example", {IpAddress::V4(0x0A000003), *IpAddress::Parse("2001:db8::1")}}};
    WriteBatch batch;
    batch.new_scans.emplace_back();
    ScanRecord& record = batch.new_scans.back();
    record.id = "scan";
    record.spec = std::make_shared<const ScanSpec>(spec);
    for (size_t i = 0; i < lanes.size(); ++i) {
      record.lanes.emplace_back();
      record.lanes.back().id = LaneId{i + 1};
      record.lanes.back().vantage = lanes[i];
      if (mode == ScanMode::kEachVantage) spec.vantages = lanes;
    }
    Commit(std::move(batch));
    reader_ = std::make_unique<ResultReader>(*store_, ResultReader::Options{1 << 20});
  }
  // All pages; checks their sizes.
  absl::StatusOr<std::vector<Observation>> All(const ResultQuery& query) {
    std::vector<Observation> all;
    std::string token;
    size_t pages = 0;
    do {
      auto page = reader_->Page("scan", query, token);
      if (!page.ok()) return page.status();
      EXPECT_LE(page->observations.size(), query.limit);
      all.insert(all.end(), page->observations.begin(), page->observations.end());
      token = page->next_page_token;
    } while (!token.empty() && ++pages < 1'000'000);
    return all;
  }

  const TempDirectory place_;  // outlives the store
  std::shared_ptr<const ScanSpace> space_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ResultReader> reader_;
};

}  // namespace portolan
