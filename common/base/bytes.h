#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace portolan {

// Writes small binary records: LEB128 varints, and byte strings with their length before them.
class ByteWriter {
 public:
  void Varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_.push_back(static_cast<char>(v | 0x80));
    out_.push_back(static_cast<char>(v));
  }
  void Signed(int64_t v) {
    Varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void Double(double v) { Fixed64(std::bit_cast<uint64_t>(v)); }
  void Fixed64(uint64_t v) {
    for (int i = 0; i < 8; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
  }
  void Byte(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void String(std::string_view s) {
    Varint(s.size());
    out_.append(s);
  }
  size_t size() const { return out_.size(); }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads them back. Never past the end: a read that does not fit gives 0 or "" and makes ok() false
// for good, so a caller checks once, at the end (and before it allocates by a count that it read:
// see Count).
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}
  uint64_t Varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint64_t b = Byte();
      if (shift == 63 && b > 1) break;
      v |= (b & 0x7F) << shift;
      if (b < 0x80) return ok_ ? v : 0;
    }
    Fail();
    return 0;
  }
  int64_t Signed() {
    const uint64_t v = Varint();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  double Double() { return std::bit_cast<double>(Fixed64()); }
  uint64_t Fixed64() {
    uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v |= uint64_t{Byte()} << (8 * i);
    return ok_ ? v : 0;
  }
  uint8_t Byte() {
    if (in_.empty()) return Fail(), uint8_t{0};
    const uint8_t b = static_cast<uint8_t>(in_.front());
    in_.remove_prefix(1);
    return b;
  }
  std::string_view String() {
    const uint64_t n = Varint();
    if (n > in_.size()) return Fail(), std::string_view();
    const std::string_view s = in_.substr(0, n);
    in_.remove_prefix(n);
    return s;
  }
  // A count of things of at least `min_size` bytes each: fails when they cannot fit in what is
  // left.
  size_t Count(size_t min_size = 1) {
    const uint64_t n = Varint();
    if (n > in_.size() / min_size) return Fail(), size_t{0};
    return n;
  }
  void Fail() {
    ok_ = false;
    in_ = {};
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && in_.empty(); }  // all was read, and it was well-formed

 private:
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace portolan
