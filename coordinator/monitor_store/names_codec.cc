// Names that lead nowhere, and the runs whose results are asked what they saw.
#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {
namespace {

constexpr uint8_t kNamesVersion = 1, kLastRunsVersion = 1, kUnresolvedVersion = 1;

void PutTrouble(RecordWriter& w, const std::string& name, const NameTrouble& t) {
  w.String(name);
  w.PutEnum(t.problem);
  w.PutName(t.detail);
  w.PutBool(t.excludes);
  w.PutTime(t.since);
}

std::pair<std::string, NameTrouble> GetTrouble(RecordReader& r) {
  std::string name(r.String());
  NameTrouble t;
  t.problem = r.GetEnum(NameProblem::kNoSuchName, NameProblem::kOutOfScope);
  t.detail = r.GetName();
  t.excludes = r.GetBool();
  t.since = r.GetTime();
  return {std::move(name), std::move(t)};
}

void PutRun(RecordWriter& w, const LookedRun& run) {
  w.Varint(run.number);
  w.String(run.scan);
  w.PutTime(run.finished);
  w.Varint(run.names.size());
  for (const auto& [name, addresses] : run.names) {
    w.String(name);
    w.Varint(addresses.size());
    for (const IpAddress& a : addresses) w.PutIp(a);
  }
}

LookedRun GetRun(RecordReader& r) {
  LookedRun run;
  run.number = r.Varint();
  run.scan = r.String();
  run.finished = r.GetTime();
  for (size_t left = r.Count(2); left > 0 && r.ok(); --left) {
    std::vector<IpAddress>& addresses = run.names[std::string(r.String())];
    for (size_t n = r.Count(5); n > 0 && r.ok(); --n) addresses.push_back(r.GetIp());
  }
  return run;
}

}  // namespace

std::string EncodeNames(const StoredNames& names) {
  RecordWriter w(kNamesVersion);
  w.PutTime(names.looked_up);
  w.Varint(names.troubles.size());
  for (const auto& [name, trouble] : names.troubles) PutTrouble(w, name, trouble);
  return w.Seal();
}

absl::StatusOr<StoredNames> DecodeNames(std::string_view bytes) {
  RecordReader r(bytes, kNamesVersion);
  StoredNames names;
  names.looked_up = r.GetTime();
  for (size_t left = r.Count(5); left > 0 && r.ok(); --left) names.troubles.insert(GetTrouble(r));
  if (!r.done()) return DamagedRecord("list of names", bytes.size());
  return names;
}

std::string EncodeUnresolved(const std::vector<UnresolvedName>& names) {
  RecordWriter w(kUnresolvedVersion);
  w.Varint(names.size());
  for (const UnresolvedName& n : names) PutTrouble(w, n.name, n.trouble);
  return w.Seal();
}

absl::StatusOr<std::vector<UnresolvedName>> DecodeUnresolved(std::string_view bytes) {
  RecordReader r(bytes, kUnresolvedVersion);
  std::vector<UnresolvedName> names;
  for (size_t left = r.Count(5); left > 0 && r.ok(); --left) {
    auto [name, trouble] = GetTrouble(r);
    names.push_back({std::move(name), std::move(trouble)});
  }
  if (!r.done()) return DamagedRecord("list of names of a run", bytes.size());
  return names;
}

// Each run once, however many vantages share it: 0: the run follows; n + 1: the nth that was
// written.
std::string EncodeLastRuns(const LastRuns& runs) {
  RecordWriter w(kLastRunsVersion);
  w.Varint(runs.size());
  std::map<const LookedRun*, uint64_t> written;
  for (const auto& [vantage, run] : runs) {
    w.PutName(vantage);
    const auto [at, is_new] = written.try_emplace(run.get(), written.size());
    w.Varint(is_new ? 0 : at->second + 1);
    if (is_new) PutRun(w, *run);
  }
  return w.Seal();
}

absl::StatusOr<LastRuns> DecodeLastRuns(std::string_view bytes) {
  RecordReader r(bytes, kLastRunsVersion);
  LastRuns runs;
  std::vector<std::shared_ptr<const LookedRun>> read;
  for (size_t left = r.Count(2); left > 0 && r.ok(); --left) {
    const std::string vantage = r.GetName();
    const uint64_t place = r.Varint();
    if (place == 0) {
      read.push_back(std::make_shared<const LookedRun>(GetRun(r)));
      runs[vantage] = read.back();
    } else if (place <= read.size()) {
      runs[vantage] = read[place - 1];
    } else {
      r.Fail();
    }
  }
  if (!r.done()) return DamagedRecord("list of last runs", bytes.size());
  return runs;
}

}  // namespace portolan
