#include "coordinator/monitor_store/record.h"

#include "common/base/status.h"

namespace portolan {
namespace {

// How a target is written.
constexpr uint8_t kV4 = 0, kV6 = 1, kName = 2;
constexpr uint8_t kSameTarget = 3;  // as the subject before; the port follows as a distance
constexpr uint8_t kOtherEvidence = 4;

void PutIpBytes(ByteWriter& w, const IpAddress& a) {
  for (int shift = a.is_v6() ? 120 : 24; shift >= 0; shift -= 8) {
    w.Byte(static_cast<uint8_t>(a.value() >> shift));
  }
}

uint8_t KindOf(const TargetKey& t) {
  if (t.is_name()) return kName;
  return t.address()->is_v6() ? kV6 : kV4;
}

void PutTargetBytes(ByteWriter& w, const TargetKey& t) {
  if (t.is_name()) {
    w.String(t.name());
  } else {
    PutIpBytes(w, *t.address());
  }
}

uint64_t Word(std::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

}  // namespace

uint64_t RecordChecksum(std::string_view bytes) {
  uint64_t h = 0x6A09E667F3BCC908u;  // any number
  // Each step can be undone, so what differs once stays different.
  const auto mix = [&h](uint64_t word) {
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
  };
  mix(bytes.size());
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    for (size_t i = 0; i < 8; ++i) word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
    mix(word);
    bytes.remove_prefix(8);
  }
  mix(Word(bytes));
  return h;
}

std::string SealRecord(std::string bytes) {
  const uint64_t sum = RecordChecksum(bytes);
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(sum >> (8 * i)));
  return bytes;
}

std::optional<std::string_view> UnsealRecord(std::string_view bytes) {
  if (bytes.size() < kRecordChecksumBytes) return std::nullopt;
  const std::string_view content = bytes.substr(0, bytes.size() - kRecordChecksumBytes);
  if (RecordChecksum(content) != Word(bytes.substr(content.size()))) return std::nullopt;
  return content;
}

absl::Status DamagedRecord(std::string_view what, size_t size) {
  return DataLoss(
      "stored {} of {} bytes is damaged, or of a newer program: restore the data directory from a "
      "backup",
      what, size);
}

// ---- writing ----

void RecordWriter::PutTime(WallTime t, WallTime& before) {
  // Unsigned, because distances between any two times must fit.
  Signed(static_cast<int64_t>(static_cast<uint64_t>(ToUnixMicros(t)) -
                              static_cast<uint64_t>(ToUnixMicros(before))));
  before = t;
}

// 0: written here; 1: written here, and to be remembered; n + 2: the nth that was remembered.
void RecordWriter::PutName(const std::string& name) {
  if (name.size() > kMaxRepeatedName) {
    Varint(0);
    String(name);
    return;
  }
  const auto [at, is_new] = names_.try_emplace(name, names_.size());
  Varint(is_new ? 1 : at->second + 2);
  if (is_new) String(name);
}

void RecordWriter::PutIp(const IpAddress& a) {
  Byte(a.is_v6() ? kV6 : kV4);
  PutIpBytes(*this, a);
}

void RecordWriter::PutTarget(const TargetKey& t) {
  Byte(KindOf(t));
  PutTargetBytes(*this, t);
}

void RecordWriter::PutSubject(const Subject& s) {
  PutTarget(s.target);
  Varint(s.port);
}

void RecordWriter::PutSymbol(Symbol s) {
  PutEnum(s.state);
  PutEnum(s.reason);
}

void RecordWriter::PutOutcome(const SubjectOutcome& o) {
  PutSymbol(o.symbol);
  PutIp(o.address);
  Varint(o.rtt_us);
  PutTime(o.when);
  PutName(o.agent);
}

void RecordWriter::PutTrail(const std::vector<TrailStep>& trail) {
  Varint(trail.size());
  for (const TrailStep& step : trail) {
    PutEnum(step.what);
    PutTime(step.when);
    PutName(step.vantage);
    PutName(step.agent);
    PutIp(step.address);
    PutSymbol(step.symbol);
    Varint(step.rtt_us);
    Varint(step.changes);
  }
}

void SubjectWriter::Put(const Subject& subject, const IpAddress& evidence) {
  const bool same = before_ != nullptr && before_->target == subject.target &&
                    subject.target.name().size() <= kMaxRepeatedTarget;
  const IpAddress* address = subject.target.address();
  const bool expected = evidence == (address != nullptr ? *address : evidence_);
  out_.Byte((same ? kSameTarget : KindOf(subject.target)) | (expected ? 0 : kOtherEvidence));
  if (same) {
    out_.Varint(static_cast<uint64_t>(subject.port - before_->port - 1));
  } else {
    PutTargetBytes(out_, subject.target);
    out_.Varint(subject.port);
  }
  if (!expected) out_.PutIp(evidence);
  evidence_ = evidence;
  before_ = &subject;
}

// ---- reading ----

RecordReader::RecordReader(std::string_view bytes, uint8_t version)
    : ByteReader(UnsealRecord(bytes).value_or(std::string_view())) {
  if (Byte() != version) Fail();
}

bool RecordReader::GetBool() {
  const uint8_t v = Byte();
  if (v > 1) Fail();
  return v == 1;
}

WallTime RecordReader::GetTime(WallTime& before) {
  before = FromUnixMicros(static_cast<int64_t>(static_cast<uint64_t>(ToUnixMicros(before)) +
                                               static_cast<uint64_t>(Signed())));
  return before;
}

std::string RecordReader::GetName() {
  const uint64_t kind = Varint();
  if (kind >= 2) {
    if (kind - 2 < names_.size()) return names_[kind - 2];
    Fail();
    return {};
  }
  const std::string_view name = String();
  if (kind == 1) {
    if (name.size() > kMaxRepeatedName) {
      Fail();
      return {};
    }
    names_.emplace_back(name);
  }
  return std::string(name);
}

IpAddress RecordReader::GetIpOf(bool v6) {
  uint128 value = 0;
  for (int i = 0; i < (v6 ? 16 : 4); ++i) value = (value << 8) | Byte();
  if (!ok()) return {};
  return v6 ? IpAddress::V6(value) : IpAddress::V4(static_cast<uint32_t>(value));
}

IpAddress RecordReader::GetIp() { return GetIpOf(GetEnum(kV4, kV6) == kV6); }

TargetKey RecordReader::GetTargetOf(uint8_t kind) {
  if (kind == kName) return TargetKey::OfName(String());
  return TargetKey::Of(GetIpOf(kind == kV6));
}

TargetKey RecordReader::GetTarget() { return GetTargetOf(GetEnum(kV4, kName)); }

Subject RecordReader::GetSubject() {
  Subject s;
  s.target = GetTarget();
  s.port = Varint16();
  return s;
}

Symbol RecordReader::GetSymbol() {
  const Symbol s{static_cast<State>(Byte()), static_cast<Reason>(Byte())};
  if (IsValid(s.state, s.reason)) return s;
  Fail();
  return {};
}

Reason RecordReader::GetOpenReason() {
  const Reason reason = static_cast<Reason>(Byte());
  if (IsValid(State::kOpen, reason)) return reason;
  Fail();
  return Reason::kSynAck;
}

SubjectOutcome RecordReader::GetOutcome() {
  SubjectOutcome o;
  o.symbol = GetSymbol();
  o.address = GetIp();
  o.rtt_us = Varint32();
  o.when = GetTime();
  o.agent = GetName();
  return o;
}

std::vector<TrailStep> RecordReader::GetTrail() {
  std::vector<TrailStep> trail;
  for (size_t left = Count(13); left > 0 && ok(); --left) {
    TrailStep step;
    step.what = GetEnum(TrailStep::What::kRun, TrailStep::What::kFlapped);
    step.when = GetTime();
    step.vantage = GetName();
    step.agent = GetName();
    step.address = GetIp();
    step.symbol = GetSymbol();
    step.rtt_us = Varint32();
    step.changes = Varint32();
    trail.push_back(std::move(step));
  }
  return trail;
}

uint32_t RecordReader::Varint32() {
  const uint64_t v = Varint();
  if (v > 0xFFFFFFFF) Fail();
  return static_cast<uint32_t>(v);
}

uint16_t RecordReader::Varint16() {
  const uint64_t v = Varint();
  if (v > 0xFFFF) Fail();
  return static_cast<uint16_t>(v);
}

void SubjectReader::Get(Subject& subject, IpAddress& evidence) {
  const uint8_t tag = in_.Byte();
  const uint8_t kind = tag & 3;
  uint64_t port = 0;
  const bool too_long = before_.target.name().size() > kMaxRepeatedTarget;
  if (tag > 7 || (kind == kSameTarget && (!any_ || too_long))) {
    in_.Fail();
  } else if (kind == kSameTarget) {
    subject.target = before_.target;
    port = in_.Varint16() + uint64_t{before_.port} + 1;
  } else {
    subject.target = in_.GetTargetOf(kind);
    port = in_.Varint16();
  }
  subject.port = static_cast<uint16_t>(port);
  if (port > 0xFFFF || (any_ && !(before_ < subject))) in_.Fail();
  if ((tag & kOtherEvidence) != 0) {
    evidence = in_.GetIp();
  } else {
    const IpAddress* address = subject.target.address();
    evidence = address != nullptr ? *address : evidence_;
  }
  any_ = true;
  before_ = subject;
  evidence_ = evidence;
}

}  // namespace portolan
