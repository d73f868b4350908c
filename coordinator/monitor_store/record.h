#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/base/time.h"
#include "coordinator/exposure/change.h"
#include "coordinator/exposure/subject.h"

// What the codecs of this folder have in common; for them and their tests alone.
//
// A record is a version byte, fields, and a checksum of both. The checksum is what makes sure that
// a flipped bit is a damaged record and not another port: SQLite has none of its own.
namespace portolan {

inline constexpr size_t kRecordChecksumBytes = 8;
// Differs for certain where one byte differs; otherwise but for one in 2^64.
uint64_t RecordChecksum(std::string_view bytes);
// The bytes with their checksum behind them.
std::string SealRecord(std::string bytes);
// Without it; nullopt: it is not the right one.
std::optional<std::string_view> UnsealRecord(std::string_view bytes);

absl::Status DamagedRecord(std::string_view what, size_t size);

// Strings that come again and again (agents, vantages) are written once a record. Longer ones are
// written each time, so that a damaged record cannot grow by more than this for each byte of it.
inline constexpr size_t kMaxRepeatedName = 64;
inline constexpr size_t kMaxRepeatedTarget = 255;  // the same for the ports of one target

class RecordWriter : public ByteWriter {
 public:
  explicit RecordWriter(uint8_t version) { Byte(version); }
  std::string Seal() { return SealRecord(Take()); }

  void PutBool(bool v) { Byte(v ? 1 : 0); }
  // As the distance from a time that is probably near, and takes its place.
  void PutTime(WallTime t, WallTime& before);
  void PutTime(WallTime t) { PutTime(t, before_); }
  void PutName(const std::string& name);
  void PutIp(const IpAddress& a);
  void PutTarget(const TargetKey& t);
  void PutSubject(const Subject& s);
  void PutSymbol(Symbol s);
  void PutOutcome(const SubjectOutcome& o);
  void PutTrail(const std::vector<TrailStep>& trail);
  template <typename E>
  void PutEnum(E e) {
    Byte(static_cast<uint8_t>(e));
  }

 private:
  WallTime before_;
  std::map<std::string, uint64_t, std::less<>> names_;
};

// After a failure everything reads as nothing: check done() at the end, and ok() in loops.
class RecordReader : public ByteReader {
 public:
  // Fails at once when the checksum is wrong, or the version another one.
  RecordReader(std::string_view bytes, uint8_t version);

  bool GetBool();
  WallTime GetTime(WallTime& before);
  WallTime GetTime() { return GetTime(before_); }
  std::string GetName();
  IpAddress GetIp();
  TargetKey GetTarget();
  Subject GetSubject();
  Symbol GetSymbol();
  Reason GetOpenReason();
  SubjectOutcome GetOutcome();
  std::vector<TrailStep> GetTrail();
  uint32_t Varint32();
  uint16_t Varint16();
  template <typename E>
  E GetEnum(E first, E last) {
    const uint8_t v = Byte();
    if (v < static_cast<uint8_t>(first) || v > static_cast<uint8_t>(last)) {
      Fail();
      return first;
    }
    return static_cast<E>(v);
  }

 private:
  IpAddress GetIpOf(bool v6);
  TargetKey GetTargetOf(uint8_t kind);
  friend class SubjectReader;
  WallTime before_;
  std::vector<std::string> names_;
};

// Subjects in ascending order, each with the address that is its evidence: mostly the target
// itself, or that of the subject before, and then not written.
class SubjectWriter {
 public:
  explicit SubjectWriter(RecordWriter& out) : out_(out) {}
  void Put(const Subject& subject, const IpAddress& evidence);

 private:
  RecordWriter& out_;
  const Subject* before_ = nullptr;  // lives as long as what is written
  IpAddress evidence_;
};

class SubjectReader {
 public:
  explicit SubjectReader(RecordReader& in) : in_(in) {}
  // Fails the reader when a subject is not above the one before.
  void Get(Subject& subject, IpAddress& evidence);

 private:
  RecordReader& in_;
  bool any_ = false;
  Subject before_;
  IpAddress evidence_;
};

}  // namespace portolan
