// What a vantage is known to see, and whether it is believed.
#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"
#include "coordinator/store/set_codec.h"

namespace portolan {
namespace {

constexpr uint8_t kBaselineVersion = 1, kHealthVersion = 1, kCanariesVersion = 1;

void PutCoverage(RecordWriter& w, const Coverage& coverage) {
  w.Varint(coverage.blocks().size());
  for (const CoverageBlock& block : coverage.blocks()) {
    PutIpSet(w, block.addresses);
    w.Varint(block.names.size());
    for (const std::string& name : block.names) w.String(name);
    PutPortSet(w, block.ports);
  }
}

Coverage GetCoverage(RecordReader& r) {
  std::vector<CoverageBlock> blocks;
  for (size_t left = r.Count(4); left > 0 && r.ok(); --left) {
    CoverageBlock block;
    block.addresses = GetIpSet(r);
    for (size_t n = r.Count(); n > 0 && r.ok(); --n) block.names.emplace_back(r.String());
    block.ports = GetPortSet(r);
    blocks.push_back(std::move(block));
  }
  return r.ok() ? Coverage::Of(std::move(blocks)) : Coverage();
}

void PutMassChange(RecordWriter& w, const MassChange& mass) {
  w.PutTime(mass.since);
  w.Varint(mass.count.size());
  for (const uint64_t n : mass.count) w.Varint(n);
  w.Varint(mass.examples.size());
  for (const Subject& s : mass.examples) w.PutSubject(s);
}

MassChange GetMassChange(RecordReader& r) {
  MassChange mass;
  mass.since = r.GetTime();
  if (r.Varint() != mass.count.size()) r.Fail();
  for (uint64_t& n : mass.count) n = r.Varint();
  for (size_t left = r.Count(3); left > 0 && r.ok(); --left) {
    mass.examples.push_back(r.GetSubject());
  }
  return mass;
}

void PutOpen(RecordWriter& w, const std::map<Subject, OpenRecord>& open) {
  w.Varint(open.size());
  SubjectWriter subjects(w);
  WallTime since, last_seen;
  for (const auto& [subject, record] : open) {
    subjects.Put(subject, record.address);
    w.PutTime(record.since, since);
    w.PutTime(record.last_seen, last_seen);
    w.Varint(record.rtt_us);
    w.PutEnum(record.reason);
    w.Varint(record.runs);
  }
}

void GetOpen(RecordReader& r, std::map<Subject, OpenRecord>& open) {
  SubjectReader subjects(r);
  WallTime since, last_seen;
  for (size_t left = r.Count(7); left > 0 && r.ok(); --left) {
    Subject subject;
    OpenRecord record;
    subjects.Get(subject, record.address);
    record.since = r.GetTime(since);
    record.last_seen = r.GetTime(last_seen);
    record.rtt_us = r.Varint32();
    record.reason = r.GetOpenReason();
    record.runs = r.Varint32();
    open.emplace_hint(open.end(), std::move(subject), record);
  }
}

void PutNotOpen(RecordWriter& w, const std::map<Subject, NotOpenRecord>& not_open) {
  w.Varint(not_open.size());
  SubjectWriter subjects(w);
  WallTime when;
  for (const auto& [subject, record] : not_open) {
    subjects.Put(subject, record.address);
    w.PutSymbol(record.symbol);
    w.PutTime(record.when, when);
  }
}

void GetNotOpen(RecordReader& r, std::map<Subject, NotOpenRecord>& not_open) {
  SubjectReader subjects(r);
  WallTime when;
  for (size_t left = r.Count(5); left > 0 && r.ok(); --left) {
    Subject subject;
    NotOpenRecord record;
    subjects.Get(subject, record.address);
    record.symbol = r.GetSymbol();
    record.when = r.GetTime(when);
    not_open.emplace_hint(not_open.end(), std::move(subject), record);
  }
}

void PutCanary(RecordWriter& w, const Canary& c) {
  w.PutSubject(c.subject);
  w.PutIp(c.address);
  w.PutBool(c.open);
  w.PutBool(c.given);
}

Canary GetCanary(RecordReader& r) {
  Canary c;
  c.subject = r.GetSubject();
  c.address = r.GetIp();
  c.open = r.GetBool();
  c.given = r.GetBool();
  return c;
}

}  // namespace

std::string EncodeBaseline(const VantageBaseline& b) {
  RecordWriter w(kBaselineVersion);
  w.PutBool(b.established);
  w.PutBool(b.accept_next);
  w.PutTime(b.last_complete);
  w.Varint(b.runs);
  PutCoverage(w, b.covered);
  PutOpen(w, b.open);
  PutNotOpen(w, b.not_open);
  w.Varint(b.folded.size());
  for (const auto& [target, host] : b.folded) {
    w.PutTarget(target);
    w.PutEnum(host.answers);
    w.PutTime(host.since);
    w.PutBool(host.known_before);
  }
  w.Varint(b.unresolved.size());
  for (const auto& [name, since] : b.unresolved) {
    w.String(name);
    w.PutTime(since);
  }
  w.PutBool(b.mass.has_value());
  if (b.mass) PutMassChange(w, *b.mass);
  return w.Seal();
}

absl::StatusOr<VantageBaseline> DecodeBaseline(std::string_view bytes) {
  RecordReader r(bytes, kBaselineVersion);
  VantageBaseline b;
  b.established = r.GetBool();
  b.accept_next = r.GetBool();
  b.last_complete = r.GetTime();
  b.runs = r.Varint32();
  b.covered = GetCoverage(r);
  GetOpen(r, b.open);
  GetNotOpen(r, b.not_open);
  for (size_t left = r.Count(5); left > 0 && r.ok(); --left) {
    TargetKey target = r.GetTarget();
    FoldedHost host;
    host.answers = r.GetEnum(HostAnswers::kAnswersEverywhere, HostAnswers::kSynProxy);
    host.since = r.GetTime();
    host.known_before = r.GetBool();
    b.folded.emplace_hint(b.folded.end(), std::move(target), host);
  }
  for (size_t left = r.Count(2); left > 0 && r.ok(); --left) {
    std::string name(r.String());
    b.unresolved[std::move(name)] = r.GetTime();
  }
  if (r.GetBool()) b.mass = GetMassChange(r);
  if (!r.done()) return DamagedRecord("baseline", bytes.size());
  return b;
}

std::string EncodeHealth(const VantageHealth& h) {
  RecordWriter w(kHealthVersion);
  w.PutEnum(h.verdict.state);
  w.String(h.verdict.reason);
  w.PutTime(h.since);
  w.PutBool(h.tainted);
  return w.Seal();
}

absl::StatusOr<VantageHealth> DecodeHealth(std::string_view bytes) {
  RecordReader r(bytes, kHealthVersion);
  VantageHealth h;
  h.verdict.state = r.GetEnum(CanaryState::kUnknown, CanaryState::kQuarantined);
  h.verdict.reason = r.String();
  h.since = r.GetTime();
  h.tainted = r.GetBool();
  if (!r.done()) return DamagedRecord("state of a vantage", bytes.size());
  return h;
}

std::string EncodeCanaries(const std::vector<Canary>& canaries) {
  RecordWriter w(kCanariesVersion);
  w.Varint(canaries.size());
  for (const Canary& c : canaries) PutCanary(w, c);
  return w.Seal();
}

absl::StatusOr<std::vector<Canary>> DecodeCanaries(std::string_view bytes) {
  RecordReader r(bytes, kCanariesVersion);
  std::vector<Canary> canaries;
  for (size_t left = r.Count(9); left > 0 && r.ok(); --left) canaries.push_back(GetCanary(r));
  if (!r.done()) return DamagedRecord("list of canaries", bytes.size());
  return canaries;
}

}  // namespace portolan
