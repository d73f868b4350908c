// What is being confirmed, and what was: candidates, histories, events.
#include <algorithm>

#include "common/base/status.h"
#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"

namespace portolan {
namespace {

constexpr uint8_t kConfirmationsVersion = 1, kEventVersion = 1;
constexpr size_t kIdDigits = 32;

void PutKey(RecordWriter& w, const ChangeKey& key) {
  w.PutName(key.vantage);
  w.PutSubject(key.subject);
}

ChangeKey GetKey(RecordReader& r) {
  ChangeKey key;
  key.vantage = r.GetName();
  key.subject = r.GetSubject();
  return key;
}

void PutCandidate(RecordWriter& w, const ChangeCandidate& c) {
  PutKey(w, {c.vantage, c.subject});
  w.PutEnum(c.kind);
  w.PutSymbol(c.from);
  w.PutSymbol(c.to);
  w.PutIp(c.address);
  w.Varint(c.rtt_us);
  w.PutTime(c.when);
  w.PutName(c.agent);
  w.PutTrail(c.evidence);
}

ChangeCandidate GetCandidate(RecordReader& r) {
  ChangeCandidate c;
  ChangeKey key = GetKey(r);
  c.vantage = std::move(key.vantage);
  c.subject = std::move(key.subject);
  c.kind = r.GetEnum(ChangeKind::kOpened, ChangeKind::kReasonChanged);
  c.from = r.GetSymbol();
  c.to = r.GetSymbol();
  c.address = r.GetIp();
  c.rtt_us = r.Varint32();
  c.when = r.GetTime();
  c.agent = r.GetName();
  c.evidence = r.GetTrail();
  return c;
}

void PutPending(RecordWriter& w, const PendingChange& p) {
  PutCandidate(w, p.candidate);
  w.Varint(p.agreed);
  w.Varint(p.denied);
  w.Varint(p.lost);
  w.Varint(p.number);
  w.PutTime(p.not_before);
  w.PutOutcome(p.latest);
  w.PutTrail(p.trail);
  w.Varint(p.avoid.size());
  for (const std::string& agent : p.avoid) w.PutName(agent);
}

PendingChange GetPending(RecordReader& r) {
  PendingChange p;
  p.candidate = GetCandidate(r);
  p.agreed = r.Varint32();
  p.denied = r.Varint32();
  p.lost = r.Varint32();
  p.number = r.Varint32();
  p.not_before = r.GetTime();
  p.latest = r.GetOutcome();
  p.trail = r.GetTrail();
  for (size_t left = r.Count(); left > 0 && r.ok(); --left) p.avoid.push_back(r.GetName());
  return p;
}

void PutHistory(RecordWriter& w, const ChangeHistory& h) {
  w.Varint(h.changes.size());
  for (const WallTime when : h.changes) w.PutTime(when);
  w.PutBool(h.flapping);
  w.PutTime(h.since);
  w.PutSymbol(h.told);
  w.PutOutcome(h.now);
  w.Varint(h.untold);
}

ChangeHistory GetHistory(RecordReader& r) {
  ChangeHistory h;
  for (size_t left = r.Count(); left > 0 && r.ok(); --left) h.changes.push_back(r.GetTime());
  h.flapping = r.GetBool();
  h.since = r.GetTime();
  h.told = r.GetSymbol();
  h.now = r.GetOutcome();
  h.untold = r.Varint32();
  return h;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// 16 bytes for an id as MakeEventId gives it.
void PutId(RecordWriter& w, const std::string& id) {
  const bool packed = id.size() == kIdDigits &&
                      std::all_of(id.begin(), id.end(), [](char c) { return HexDigit(c) >= 0; });
  w.PutBool(packed);
  if (!packed) {
    w.String(id);
    return;
  }
  for (size_t i = 0; i < kIdDigits; i += 2) {
    w.Byte(static_cast<uint8_t>(HexDigit(id[i]) * 16 + HexDigit(id[i + 1])));
  }
}

std::string GetId(RecordReader& r) {
  if (!r.GetBool()) return std::string(r.String());
  std::string id;
  for (size_t i = 0; i < kIdDigits / 2; ++i) {
    const uint8_t byte = r.Byte();
    for (const int digit : {byte >> 4, byte & 15}) id.push_back("0123456789abcdef"[digit]);
  }
  return id;
}

}  // namespace

std::string EncodeConfirmations(const Confirmations::State& state) {
  RecordWriter w(kConfirmationsVersion);
  w.Varint(state.next_sequence);
  w.Varint(state.pending.size());
  for (const auto& [key, pending] : state.pending) {
    PutKey(w, key);
    PutPending(w, pending);
  }
  w.Varint(state.history.size());
  for (const auto& [key, history] : state.history) {
    PutKey(w, key);
    PutHistory(w, history);
  }
  return w.Seal();
}

absl::StatusOr<Confirmations::State> DecodeConfirmations(std::string_view bytes) {
  RecordReader r(bytes, kConfirmationsVersion);
  Confirmations::State state;
  state.next_sequence = r.Varint();
  for (size_t left = r.Count(30); left > 0 && r.ok(); --left) {
    ChangeKey key = GetKey(r);
    state.pending.insert_or_assign(state.pending.end(), std::move(key), GetPending(r));
  }
  for (size_t left = r.Count(20); left > 0 && r.ok(); --left) {
    ChangeKey key = GetKey(r);
    state.history.insert_or_assign(state.history.end(), std::move(key), GetHistory(r));
  }
  if (!r.done()) return DamagedRecord("state of confirmations", bytes.size());
  return state;
}

std::string EncodeEvent(const ExposureEvent& e) {
  RecordWriter w(kEventVersion);
  PutId(w, e.id);
  w.Varint(e.sequence);
  w.PutTime(e.time);
  w.PutName(e.monitor);
  w.PutName(e.vantage);
  w.PutSubject(e.subject);
  w.PutIp(e.address);
  w.PutEnum(e.kind);
  w.PutSymbol(e.from);
  w.PutSymbol(e.to);
  w.PutTrail(e.trail);
  return w.Seal();
}

absl::StatusOr<ExposureEvent> DecodeEvent(std::string_view bytes) {
  RecordReader r(bytes, kEventVersion);
  ExposureEvent e;
  e.id = GetId(r);
  e.sequence = r.Varint();
  e.time = r.GetTime();
  e.monitor = r.GetName();
  e.vantage = r.GetName();
  e.subject = r.GetSubject();
  e.address = r.GetIp();
  e.kind = r.GetEnum(ChangeKind::kOpened, ChangeKind::kReasonChanged);
  e.from = r.GetSymbol();
  e.to = r.GetSymbol();
  e.trail = r.GetTrail();
  if (!r.done()) return DamagedRecord("event", bytes.size());
  return e;
}

}  // namespace portolan
