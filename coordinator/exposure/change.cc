#include "coordinator/exposure/change.h"

#include <fmt/format.h>

namespace portolan {
namespace {

// The parameters of http://www.isthe.com/chongo/tech/comp/fnv/ for 128 bits.
constexpr uint128 kFnvOffset = (uint128{0x6C62272E07BB0142} << 64) | 0x62B821756295C58D;
constexpr uint128 kFnvPrime = (uint128{1} << 88) | 0x13B;

class Fnv {
 public:
  void Add(std::string_view text) {
    Add(text.size());  // so that ("ab", "c") is not ("a", "bc")
    for (const char c : text) Byte(static_cast<uint8_t>(c));
  }
  void Add(uint64_t value) {
    for (int i = 0; i < 8; ++i) Byte(static_cast<uint8_t>(value >> (8 * i)));
  }
  std::string Hex() const {
    return fmt::format("{:016x}{:016x}", static_cast<uint64_t>(hash_ >> 64),
                       static_cast<uint64_t>(hash_));
  }

 private:
  void Byte(uint8_t b) { hash_ = (hash_ ^ b) * kFnvPrime; }
  uint128 hash_ = kFnvOffset;
};

uint64_t Code(Symbol s) {
  return static_cast<uint64_t>(s.state) * 256 + static_cast<uint64_t>(s.reason);
}

}  // namespace

std::string_view ChangeKindName(ChangeKind k) {
  switch (k) {
    case ChangeKind::kOpened:
      return "opened";
    case ChangeKind::kClosed:
      return "closed";
    case ChangeKind::kFiltered:
      return "filtered";
    case ChangeKind::kUnreachable:
      return "unreachable";
    case ChangeKind::kReasonChanged:
      return "reason-changed";
  }
  return "unknown";
}

ChangeKind KindOfChange(Symbol from, Symbol to) {
  if (IsOpen(to)) return IsOpen(from) ? ChangeKind::kReasonChanged : ChangeKind::kOpened;
  if (to.state == State::kFiltered) return ChangeKind::kFiltered;
  if (to.state == State::kUnreachable) return ChangeKind::kUnreachable;
  return ChangeKind::kClosed;
}

std::string_view TrailStepName(TrailStep::What what) {
  switch (what) {
    case TrailStep::What::kRun:
      return "run";
    case TrailStep::What::kProbe:
      return "probe";
    case TrailStep::What::kOtherVantage:
      return "other-vantage";
    case TrailStep::What::kFlapped:
      return "flapped";
  }
  return "unknown";
}

std::string MakeEventId(const ExposureEvent& event) {
  Fnv hash;
  hash.Add(event.monitor);
  hash.Add(event.sequence);
  hash.Add(static_cast<uint64_t>(ToUnixMicros(event.time)));
  hash.Add(event.vantage);
  hash.Add(event.subject.ToString());
  hash.Add(event.address.ToBytes());
  hash.Add(static_cast<uint64_t>(event.kind));
  hash.Add(Code(event.from));
  hash.Add(Code(event.to));
  return hash.Hex();
}

uint64_t MassChange::total() const {
  uint64_t sum = 0;
  for (const uint64_t n : count) sum += n;
  return sum;
}

void MassChange::Count(const ChangeCandidate& candidate) {
  ++count[static_cast<size_t>(candidate.kind) - 1];
  if (examples.size() < kMaxExamples) examples.push_back(candidate.subject);
}

std::string MassChange::ToString() const {
  std::string text;
  for (int i = 0; i < kChangeKinds; ++i) {
    if (count[i] == 0) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", count[i], ChangeKindName(static_cast<ChangeKind>(i + 1)));
  }
  for (size_t i = 0; i < examples.size(); ++i) {
    text += (i == 0 ? "; for example " : ", ") + examples[i].ToString();
  }
  return text;
}

}  // namespace portolan
