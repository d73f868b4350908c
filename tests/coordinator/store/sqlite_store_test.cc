// What is SQLite's own: the directory, the lock, the schema's versions, damage, and what deletion
// leaves behind.
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <future>
#include <thread>

#include "common/base/status.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/store.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {
namespace {

using ::testing::HasSubstr;

class SqliteStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& directory) {
    SqliteOptions options;
    options.directory = directory;
    return OpenSqliteStore(options);
  }
  static void Commit(Store& store, WriteBatch batch) {
    std::promise<void> done;
    store.Write(std::move(batch), [&] { done.set_value(); });
    done.get_future().wait();
  }
  // On a connection of the test's own; the first column of the first row.
  static int64_t Query(const std::string& directory, const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_stmt* stmt = nullptr;
    EXPECT_EQ(sqlite3_open((directory + "/portolan.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &stmt, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    const int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
  }

  const TempDirectory directory_;
  const std::string& place_ = directory_.path();
};

TEST_F(SqliteStoreTest, MakesItsDirectoryForItselfAlone) {
  const std::string directory = place_ + "/a/b/c";
  ASSERT_TRUE(Open(directory).ok());
  for (const char* path : {"/a", "/a/b/c"}) {
    struct stat st;
    ASSERT_EQ(stat((place_ + path).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700u);
  }
  struct stat st;
  ASSERT_EQ(stat((directory + "/portolan.db").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_TRUE(Open(directory + "/").ok());
}

TEST_F(SqliteStoreTest, SecondCoordinatorIsRefused) {
  auto first = Open(place_);
  ASSERT_TRUE(first.ok());
  const absl::Status second = Open(place_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(Message(second)), HasSubstr("another program"));
  first->reset();
  EXPECT_TRUE(Open(place_).ok());
}

TEST_F(SqliteStoreTest, DirectoryThatCannotBeIsAClearError) {
  std::ofstream(place_ + "/file") << "x";
  for (const char* path : {"/file", "/file/under"}) {
    const absl::Status status = Open(place_ + path).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr("--data"));
  }
  EXPECT_FALSE(Open("").ok());
  EXPECT_FALSE(Open("/proc/no/such/place").ok());
}

TEST_F(SqliteStoreTest, NewerSchemaIsRefused) {
  ASSERT_TRUE(Open(place_).ok());
  Query(place_, "PRAGMA user_version = 1000");
  const absl::Status status = Open(place_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("newer"));
}

TEST_F(SqliteStoreTest, OlderSchemaIsBroughtUpToDate) {
  ASSERT_TRUE(Open(place_).ok());
  // As the first schema was, with a lane in it.
  for (const char* sql :
       {"DROP INDEX scans_named", "ALTER TABLE scans DROP COLUMN name", "DROP TABLE host_findings",
        "ALTER TABLE lanes DROP COLUMN findings", "ALTER TABLE lanes DROP COLUMN findings_dropped",
        "ALTER TABLE chunks DROP COLUMN of_receipt",
        "ALTER TABLE open_ports DROP COLUMN of_receipt", "DROP TABLE vantages",
        "PRAGMA user_version = 1",
        "INSERT INTO open_ports (lane, position, address, port, reason, rtt_us, seen, origin, "
        "token) VALUES (7, 1, x'040A000001', 22, 1, 5, 99, 1, 1)",
        "INSERT INTO scans (id, state, created, started, finished, retention, spec, overlay) "
        "VALUES ('s', 4, 0, 0, 0, 0, x'', x'')",
        "INSERT INTO lanes (id, scan, vantage, open) VALUES (7, 1, 'dmz', 5)"})
    Query(place_, sql);
  const auto store = Open(place_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(Query(place_, "PRAGMA user_version"), 5);
  EXPECT_EQ(Query(place_, "SELECT count(*) FROM scans WHERE name = ''"), 1);  // damaged: no name
  EXPECT_EQ(Query(place_, "SELECT of_receipt FROM open_ports"), 0);
  EXPECT_EQ(Query(place_, "SELECT count(*) FROM vantages"), 0);
  EXPECT_EQ(Query(place_, "SELECT open FROM lanes WHERE id = 7"), 5);
  EXPECT_EQ(*(*store)->CountFindings({LaneId{7}}), std::vector<Store::FindingCounts>(1));
  EXPECT_TRUE((*store)->ReadFindings(LaneId{7}, std::nullopt, 10, true)->findings.empty());
}

TEST_F(SqliteStoreTest, ScansOfAnOlderSchemaAreFoundByTheirNames) {
  ASSERT_TRUE(Open(place_).ok());
  ScanSpec spec;
  spec.name = "weekly";
  std::string hex;
  for (const char c : EncodeSpec(spec)) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  for (const std::string& sql :
       {std::string("DROP INDEX scans_named"), std::string("ALTER TABLE scans DROP COLUMN name"),
        std::string("ALTER TABLE chunks DROP COLUMN of_receipt"),
        std::string("ALTER TABLE open_ports DROP COLUMN of_receipt"),
        std::string("ALTER TABLE host_findings DROP COLUMN of_receipt"),
        std::string("DROP TABLE vantages"), std::string("PRAGMA user_version = 2"),
        "INSERT INTO scans (id, state, created, started, finished, retention, spec, overlay) "
        "VALUES ('s', 4, 0, 0, 0, 0, x'" +
            hex + "', x'')"})
    Query(place_, sql);
  const auto store = Open(place_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(*(*store)->FindScansNamed("weekly", 2), std::vector<ScanId>{"s"});
}

TEST_F(SqliteStoreTest, HostFindingsOfAnOlderSchemaHaveTheTimesOfTheirAgents) {
  ASSERT_TRUE(Open(place_).ok());
  for (const char* sql :
       {"ALTER TABLE host_findings DROP COLUMN of_receipt", "PRAGMA user_version = 4",
        "INSERT INTO origins (id, agent, vantage, source) VALUES (1, 'a', 'v', x'')",
        "INSERT INTO host_findings (lane, address, kind, seen, opens, outcomes, confirmed, "
        "sentinel, since, silences, origin) VALUES (7, x'040A000001', 3, 99, 1, 2, x'', 80, 5, 6, "
        "1)"})
    Query(place_, sql);
  const auto store = Open(place_);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto page = (*store)->ReadFindings(LaneId{7}, std::nullopt, 10, false);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->findings.size(), 1u);
  EXPECT_EQ(page->findings[0].finding.finding.when, FromUnixMicros(99));
  EXPECT_FALSE(page->findings[0].finding.time_of_receipt);
}

TEST_F(SqliteStoreTest, DatabaseOfAnotherProgramIsRefused) {
  Query(place_, "CREATE TABLE theirs (x)");
  EXPECT_TRUE(absl::IsFailedPrecondition(Open(place_).status()));
}

TEST_F(SqliteStoreTest, DamagedFileIsToldWithARemedy) {
  std::ofstream(place_ + "/portolan.db") << std::string(8192, 'x');
  const absl::Status status = Open(place_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("backup"));
}

TEST_F(SqliteStoreTest, SchemaIsStrictAndSynchronousIsFull) {
  ASSERT_TRUE(Open(place_).ok());
  EXPECT_EQ(
      Query(place_,
            "SELECT count(*) FROM pragma_table_list WHERE strict = 0 AND name NOT LIKE 'sqlite_%'"),
      0);
  EXPECT_GT(Query(place_, "SELECT count(*) FROM pragma_table_list WHERE strict = 1"), 8);
}

TEST_F(SqliteStoreTest, DeletedScanLeavesNothingBehind) {
  auto store = *Open(place_);
  ASSERT_TRUE(store->Load().ok());
  auto spec = std::make_shared<ScanSpec>();
  spec->space = *ScanSpace::Create(
      {Block{IpSet::Of({{IpAddress::V4(1), IpAddress::V4(1000)}}), PortSet::Of({{1, 100}})}}, 1);
  WriteBatch batch;
  batch.new_scans.emplace_back();
  ScanRecord& record = batch.new_scans[0];
  record.id = "old";
  record.spec = spec;
  record.lanes.resize(2);
  for (uint64_t lane = 1; lane <= 2; ++lane) {
    record.lanes[lane - 1].id = LaneId{lane};
    for (uint64_t i = 0; i < 7000; ++i) {
      StoredRow row;
      row.lane = LaneId{lane};
      row.row.index = i;
      row.address = spec->space->At(i).address;
      row.port = spec->space->At(i).port;
      row.token = Token{1};
      batch.rows.push_back(row);
    }
    for (uint64_t i = 0; i < 500; ++i) {
      StoredChunk chunk;
      chunk.lane = LaneId{lane};
      chunk.range = {i, i + 1};
      chunk.outcomes = EncodeOutcomes(std::vector<Symbol>{{State::kOpen, Reason::kSynAck}});
      batch.chunks.push_back(chunk);
    }
    for (uint32_t i = 0; i < 6000; ++i) {
      StoredFinding finding;
      finding.lane = LaneId{lane};
      finding.finding.address = IpAddress::V4(i);
      batch.findings.push_back(std::move(finding));
    }
    PutGaps gaps{LaneId{lane}, {}};
    for (uint64_t i = 0; i < 6000; ++i)
      gaps.gaps.push_back({{50'000 + 2 * i, 50'001 + 2 * i}, Reason::kCancelled});
    batch.changes.push_back(gaps);
    batch.changes.push_back(PutLease{{Token{lane}, LaneId{lane}, "agent", {{0, 1}}, 1, true}});
  }
  batch.requests = {{"key", "digest", "old"}};
  Commit(*store, std::move(batch));
  CompactedGroup group;
  group.lane = LaneId{1};
  group.range = {0, 100};
  group.outcomes = EncodeOutcomes(std::vector<Symbol>(100, {State::kOpen, Reason::kSynAck}));
  group.chunks = 100;
  store->Compact(group, nullptr);
  WriteBatch finish;
  finish.changes = {PutScanState{"old", ScanState::kComplete, {}, FromUnixMicros(1)}};
  finish.delete_scans = {};
  Commit(*store, std::move(finish));
  EXPECT_EQ(store->stats().compacted_groups, 1u);
  WriteBatch remove;
  remove.delete_scans = {"old"};
  Commit(*store, std::move(remove));
  // A group that was being compacted meanwhile does not come back.
  group.chunks = 400;
  group.range = {100, 500};
  store->Compact(group, nullptr);
  Commit(*store, {});
  while (Query(place_, "SELECT count(*) FROM scans") > 0)
    std::this_thread::yield();  // purged in the background
  for (const char* table : {"scans", "spaces", "lanes", "requests", "leases", "gaps", "chunks",
                            "finished_groups", "open_ports", "host_findings"}) {
    EXPECT_EQ(Query(place_, std::string("SELECT count(*) FROM ") + table), 0) << table;
  }
}

TEST_F(SqliteStoreTest, PurgeGoesOnAfterARestart) {
  auto store = *Open(place_);
  ASSERT_TRUE(store->Load().ok());
  store.reset();
  Query(place_,
        "INSERT INTO scans (id, state, created, started, finished, retention, deleted, spec, "
        "overlay) VALUES ('x', 4, 0, 0, 0, 0, 1, x'', x'')");
  store = *Open(place_);
  ASSERT_TRUE(store->Load().ok());
  while (Query(place_, "SELECT count(*) FROM scans") > 0) std::this_thread::yield();
}

TEST_F(SqliteStoreTest, ReadersShareThePoolWhileRowsAreWritten) {
  SqliteOptions options;
  options.directory = place_;
  options.sync_full = false;
  options.readers = 2;
  auto store = *OpenSqliteStore(options);
  ASSERT_TRUE(store->Load().ok());
  auto spec = std::make_shared<ScanSpec>();
  spec->space = *ScanSpace::Create(
      {Block{IpSet::Of({{IpAddress::V4(1), IpAddress::V4(1000)}}), PortSet::Of({{1, 100}})}}, 1);
  WriteBatch create;
  create.new_scans.emplace_back();
  create.new_scans[0].id = "scan";
  create.new_scans[0].spec = spec;
  create.new_scans[0].lanes.resize(1);
  create.new_scans[0].lanes[0].id = LaneId{1};
  Commit(*store, std::move(create));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  std::atomic<uint64_t> reads = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      size_t last = 0;
      while (!stop) {
        const auto page = store->ReadRows({{LaneId{1}}, {}, {}, {}}, std::nullopt, 100'000);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_GE(page->rows.size(), last);
        EXPECT_EQ(page->rows.size() % 10, 0u) << "half a batch was seen";
        last = page->rows.size();
        ++reads;
      }
    });
  }
  for (uint64_t n = 0; n < 100; ++n) {
    WriteBatch batch;
    for (uint64_t i = 0; i < 10; ++i) {
      StoredRow row;
      row.lane = LaneId{1};
      row.row.index = 10 * n + i;
      row.address = spec->space->At(row.row.index).address;
      row.port = spec->space->At(row.row.index).port;
      row.token = Token{1};
      batch.rows.push_back(row);
    }
    Commit(*store, std::move(batch));
  }
  while (reads < 8) std::this_thread::yield();
  stop = true;
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace portolan
