// Rows committed a second by the store, with millions there already and the indexes that `results`
// needs, against a bare insert loop on the same schema; and bytes stored per million outcomes.
//
//   store_bench [--rows N already there: 10,000,000] [--seconds S a measurement: 10]
//               [--dir DIR] [--sync]
//
// The baseline is what a program would do that keeps rows and nothing else: SQLite with the same
// pragmas and cache, the same tables and indexes, one prepared INSERT, a transaction for each batch
// of the same size. The store's side is all that a coordinator asks of it: batches handed over from
// another thread, upserts that heed tokens, ledgers, acknowledgements. Both go on from the same
// file (a copy), rounds take turns.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/scan/chunk_codec.h"
#include "coordinator/ingest/compactor.h"
#include "coordinator/store/spec_codec.h"
#include "coordinator/store/store.h"

namespace portolan {
namespace {

constexpr size_t kBatchRows = 2000;
constexpr uint64_t kStride = 100;  // 1 % open

struct Settings {
  uint64_t rows = 10'000'000;
  double seconds = 10;
  bool sync = false;
  std::string directory;
};

double Since(Time begin) { return ToSeconds(SystemClock().Now() - begin); }

void Require(bool ok, const std::string& what) {
  if (ok) return;
  fmt::print(stderr, "store_bench: {}\n", what);
  std::exit(1);
}

std::shared_ptr<const ScanSpec> BenchSpec() {
  auto spec = std::make_shared<ScanSpec>();
  Block block{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0AFFFFFF)}}),
              PortSet::Of({{1, 1000}})};
  spec->space = *ScanSpace::Create({block}, 7);
  return spec;
}

StoredRow RowAt(const ScanSpace& space, uint64_t n) {
  StoredRow row;
  row.lane = LaneId{1};
  row.row.index = n * kStride;
  row.row.rtt_us = static_cast<uint32_t>(1000 + n % 100'000);
  row.row.when = FromUnixMicros(1'700'000'000'000'000 + static_cast<int64_t>(n));
  row.row.source = IpAddress::V4(0xC6120001);
  const ScanSpace::Endpoint endpoint = space.At(row.row.index);
  row.address = endpoint.address;
  row.port = endpoint.port;
  row.agent = "agent-1";
  row.vantage = "dmz";
  row.token = Token{1};
  return row;
}

std::unique_ptr<Store> Open(const std::string& directory, const Settings& settings) {
  SqliteOptions options;
  options.directory = directory;
  options.sync_full = settings.sync;
  auto store = OpenSqliteStore(options);
  Require(store.ok(), store.status().ToString());
  Require((*store)->Load().ok(), "load");
  return *std::move(store);
}

void Await(Store& store, WriteBatch batch) {
  std::promise<void> done;
  store.Write(std::move(batch), [&] { done.set_value(); });
  done.get_future().wait();
}

void Fill(const std::string& directory, const Settings& settings) {
  Settings fast = settings;
  fast.sync = false;
  auto store = Open(directory, fast);
  const auto spec = BenchSpec();
  WriteBatch create;
  create.new_scans.emplace_back();
  create.new_scans[0].id = "bench";
  create.new_scans[0].spec = spec;
  create.new_scans[0].lanes.emplace_back();
  create.new_scans[0].lanes[0].id = LaneId{1};
  Await(*store, std::move(create));
  const Time begin = SystemClock().Now();
  for (uint64_t n = 0; n < settings.rows;) {
    WriteBatch batch;
    for (; n < settings.rows && batch.rows.size() < 20'000; ++n)
      batch.rows.push_back(RowAt(*spec->space, n));
    store->Write(std::move(batch), nullptr);
    while (store->Backlog() > (64u << 20)) std::this_thread::yield();
  }
  Await(*store, {});
  fmt::print("filled with {} rows in {:.0f} s, {} MB\n", settings.rows, Since(begin),
             store->stats().database_bytes >> 20);
}

// The bare loop. Rows per second.
double Bare(const std::string& directory, const Settings& settings, uint64_t& next) {
  sqlite3* db = nullptr;
  const auto run = [&](const std::string& sql) {
    Require(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, sql);
  };
  Require(sqlite3_open((directory + "/portolan.db").c_str(), &db) == SQLITE_OK, "open");
  run(
      fmt::format("PRAGMA journal_mode = WAL; PRAGMA synchronous = {}; PRAGMA cache_size = -65536; "
                  "PRAGMA wal_autocheckpoint = 16384;",
                  settings.sync ? "FULL" : "NORMAL"));
  sqlite3_stmt* insert = nullptr;
  Require(sqlite3_prepare_v2(db,
                             "INSERT INTO open_ports (lane, position, address, port, reason, "
                             "rtt_us, seen, origin, token) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                             -1, &insert, nullptr) == SQLITE_OK,
          "prepare");
  const auto spec = BenchSpec();
  uint64_t rows = 0;
  double working = 0;
  while (working < settings.seconds) {
    std::vector<StoredRow> batch;
    for (size_t i = 0; i < kBatchRows; ++i) batch.push_back(RowAt(*spec->space, next++));
    const Time begin = SystemClock().Now();  // making the rows is not the store's work
    run("BEGIN");
    for (const StoredRow& r : batch) {
      const std::string key = AddressKey(r.address);
      sqlite3_bind_int64(insert, 1, 1);
      sqlite3_bind_int64(insert, 2, static_cast<int64_t>(r.row.index));
      sqlite3_bind_blob(insert, 3, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
      sqlite3_bind_int64(insert, 4, r.port);
      sqlite3_bind_int64(insert, 5, 1);
      sqlite3_bind_int64(insert, 6, r.row.rtt_us);
      sqlite3_bind_int64(insert, 7, ToUnixMicros(r.row.when));
      sqlite3_bind_int64(insert, 8, 1);
      sqlite3_bind_int64(insert, 9, 1);
      Require(sqlite3_step(insert) == SQLITE_DONE, sqlite3_errmsg(db));
      sqlite3_reset(insert);
    }
    run("COMMIT");
    working += Since(begin);
    rows += batch.size();
  }
  sqlite3_finalize(insert);
  run("PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_close(db);
  return static_cast<double>(rows) / working;
}

// The store, as a coordinator uses it: rows with their chunk's counts, handed over from another
// thread, at most a few batches ahead.
double Ours(const std::string& directory, const Settings& settings, uint64_t& next,
            double& commit_p99) {
  auto store = Open(directory, settings);
  const auto spec = BenchSpec();
  // The rows are made before the clock runs, in pieces that fit in memory.
  uint64_t rows = 0;
  double working = 0;
  std::atomic<size_t> ahead{0};
  while (working < settings.seconds) {
    std::vector<WriteBatch> batches(50);
    for (WriteBatch& batch : batches) {
      for (size_t i = 0; i < kBatchRows; ++i) batch.rows.push_back(RowAt(*spec->space, next++));
      Ledger counts;
      counts.open = kBatchRows;
      batch.counts = {{LaneId{1}, counts}};
    }
    const Time begin = SystemClock().Now();
    for (WriteBatch& batch : batches) {
      while (ahead.load() >= 4) std::this_thread::yield();
      ++ahead;
      store->Write(std::move(batch), [&] { --ahead; });
    }
    Await(*store, {});
    working += Since(begin);
    rows += batches.size() * kBatchRows;
  }
  const Store::Stats stats = store->stats();
  uint64_t left = stats.commits / 100, i = stats.commit_buckets.size();
  while (i > 0 && stats.commit_buckets[i - 1] <= left) left -= stats.commit_buckets[--i];
  commit_p99 = i == 0 || i > std::size(Store::kCommitBucketsS) ? 0 : Store::kCommitBucketsS[i - 1];
  return static_cast<double>(rows) / working;
}

// What a million outcomes take: as chunks, and in final form.
void Bytes(const std::string& directory, const Settings& settings) {
  auto store = Open(directory, settings);
  ScanSpec plan;
  Block block{IpSet::Of({{IpAddress::V4(0x0A000000), IpAddress::V4(0x0A003FFF)}}),
              PortSet::Of({{1, 1000}})};
  plan.space = *ScanSpace::Create({block}, 7);
  const auto spec = std::make_shared<const ScanSpec>(plan);
  struct Kind {
    const char* name;
    int dark, open;
  };  // per cent of hosts that are silent, per cent of ports open on the others
  uint64_t lane = 1;
  Compactor compactor(*store);
  for (const Kind& kind :
       {Kind{"dark", 100, 0}, Kind{"half of the hosts silent, the rest refuse, 1 % open", 50, 1},
        Kind{"outcomes without any pattern: 70 % refused, 29 % silent, 1 % open", -1, 1}}) {
    WriteBatch create;
    create.new_scans.emplace_back();
    create.new_scans[0].id = fmt::format("bytes{}", lane);
    create.new_scans[0].spec = spec;
    create.new_scans[0].lanes.emplace_back();
    create.new_scans[0].lanes[0].id = LaneId{lane};
    Await(*store, std::move(create));
    std::mt19937 random(5);
    const uint64_t before = store->stats().outcome_bytes;
    std::vector<FinishedGroup> finished;
    for (uint64_t g = 0; g < spec->space->group_count(); ++g) {
      const ScanSpace::Group group = spec->space->GroupNumber(g);
      for (uint64_t at = group.range.begin; at < group.range.end;) {
        StoredChunk chunk;
        chunk.lane = LaneId{lane};
        chunk.range = {at, std::min(group.range.end, at + 65536)};
        chunk.agent = "agent-1";
        std::vector<Symbol> outcomes;
        for (uint64_t i = chunk.range.begin; i < chunk.range.end; ++i) {
          const uint64_t host =
              MixSeed(9, static_cast<uint64_t>(spec->space->At(i).address.value()));
          const bool silent =
              kind.dark < 0 ? random() % 100 < 29 : static_cast<int>(host % 100) < kind.dark;
          outcomes.push_back(silent ? Symbol{State::kFiltered, Reason::kNoResponse}
                             : static_cast<int>(random() % 100) < kind.open
                                 ? Symbol{State::kOpen, Reason::kSynAck}
                                 : Symbol{State::kClosed, Reason::kConnRefused});
        }
        chunk.outcomes = EncodeOutcomes(outcomes);
        at = chunk.range.end;
        WriteBatch batch;
        batch.chunks.push_back(std::move(chunk));
        store->Write(std::move(batch), nullptr);
      }
      finished.push_back({LaneId{lane}, spec->space, group.range});
    }
    Await(*store, {});
    const uint64_t chunks = store->stats().outcome_bytes - before;
    for (const FinishedGroup& group : finished) compactor.Offer(group);
    compactor.Drain();
    const uint64_t final_form = store->stats().outcome_bytes - before - chunks;
    const double millions = static_cast<double>(spec->space->size()) / 1e6;
    fmt::print("bytes per million outcomes, {}: {:.0f} as chunks, {:.0f} in final form\n",
               kind.name, static_cast<double>(chunks) / millions,
               static_cast<double>(final_form) / millions);
    ++lane;
  }
}

// How long a coordinator takes to start on a lane of 20,000 chunks, a hundredth of them with holes.
void Start(const std::string& directory, const Settings& settings) {
  constexpr uint64_t kChunks = 20'000, kPositions = 4096;
  {
    auto store = Open(directory, settings);
    WriteBatch batch;
    batch.new_scans.emplace_back();
    batch.new_scans[0].id = "start";
    batch.new_scans[0].spec = BenchSpec();
    batch.new_scans[0].lanes.emplace_back();
    batch.new_scans[0].lanes[0].id = LaneId{1};
    std::vector<Symbol> outcomes(kPositions, {State::kClosed, Reason::kConnRefused});
    const std::string whole = EncodeOutcomes(outcomes);
    for (size_t i = 0; i < kPositions; i += 37) outcomes[i] = {State::kOwed, Reason::kChunkClosed};
    const std::string holes = EncodeOutcomes(outcomes);
    for (uint64_t n = 0; n < kChunks; ++n) {
      StoredChunk& chunk = batch.chunks.emplace_back();
      chunk.lane = LaneId{1};
      chunk.range = {n * kPositions, (n + 1) * kPositions};
      chunk.outcomes = n % 100 == 0 ? holes : whole;
    }
    Await(*store, std::move(batch));
  }
  SqliteOptions options;
  options.directory = directory;
  const Time begin = SystemClock().Now();
  auto store = OpenSqliteStore(options);
  Require(store.ok(), "open");
  const auto state = (*store)->Load();
  Require(state.ok() && state->unfinished.size() == 1, "load");
  fmt::print("start on a lane of {} chunks: {:.0f} ms\n", kChunks, Since(begin) * 1e3);
}

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--sync") {
      settings.sync = true;
    } else if (flag == "--rows" && i + 1 < argc) {
      settings.rows = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--seconds" && i + 1 < argc) {
      settings.seconds = std::strtod(argv[++i], nullptr);
    } else if (flag == "--dir" && i + 1 < argc) {
      settings.directory = argv[++i];
    } else {
      fmt::print(stderr, "usage: store_bench [--rows N] [--seconds S] [--dir DIR] [--sync]\n");
      return 2;
    }
  }
  std::string place = (settings.directory.empty() ? std::filesystem::temp_directory_path().string()
                                                  : settings.directory) +
                      "/store_bench_XXXXXX";
  Require(mkdtemp(place.data()) != nullptr, "cannot make a directory: " + place);
  Bytes(place + "/bytes", settings);
  Start(place + "/start", settings);
  const std::string ours = place + "/ours", bare = place + "/bare";
  Fill(ours, settings);
  std::filesystem::create_directory(bare);
  std::filesystem::copy_file(ours + "/portolan.db", bare + "/portolan.db");
  uint64_t next_ours = settings.rows, next_bare = settings.rows;
  double p99 = 0;
  std::vector<double> ratios;
  for (int round = 1; round <= 3; ++round) {
    const double b = Bare(bare, settings, next_bare), o = Ours(ours, settings, next_ours, p99);
    ratios.push_back(o / b);
    fmt::print(
        "round {}: bare loop {:.0f} rows/s, store {:.0f} rows/s, ratio {:.2f}; 99 % of commits "
        "within {} s\n",
        round, b, o, o / b, p99);
  }
  std::sort(ratios.begin(), ratios.end());
  fmt::print(
      "rows committed per second, {} there already, synchronous={}: median ratio {:.2f} (at least "
      "0.7 wanted)\n",
      settings.rows, settings.sync ? "FULL" : "NORMAL", ratios[1]);
  std::filesystem::remove_all(place);
  return 0;
}

}  // namespace
}  // namespace portolan

int main(int argc, char** argv) { return portolan::Main(argc, argv); }
