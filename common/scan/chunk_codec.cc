#include "common/scan/chunk_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/scan/varint.h"

namespace portolan {
namespace {

constexpr uint64_t kVersion = 1;
constexpr uint64_t kMaxSymbols = 64;  // more than there are valid pairs
constexpr int kBits[] = {0, 1, 2, 4, 8};

// Reads 8 code bytes with the first in the low bits, on any machine.
uint64_t LoadWord(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// ---- encoding ----

// A dense number for a pair, so that counting is an array access. States are below 8, reasons below
// 64.
constexpr size_t kKeys = 512;
size_t Key(Symbol s) {
  return (static_cast<size_t>(s.state) & 7) << 6 | (static_cast<size_t>(s.reason) & 63);
}
Symbol FromKey(size_t key) { return {static_cast<State>(key >> 6), static_cast<Reason>(key & 63)}; }

struct Table {
  std::vector<Symbol> symbols;  // most frequent first
  std::vector<uint64_t> totals;
  std::array<uint8_t, kKeys> code_of_key{};
};

Table MakeTable(std::span<const Symbol> outcomes) {
  // Two arrays of counters: runs of one symbol would otherwise wait for their own store each time.
  std::array<uint64_t, kKeys> counts{}, more{};
  unsigned seen = 0;
  size_t i = 0;
  for (; i + 1 < outcomes.size(); i += 2) {
    const Symbol a = outcomes[i], b = outcomes[i + 1];
    seen |= (static_cast<unsigned>(a.state) | static_cast<unsigned>(b.state)) << 8 |
            static_cast<unsigned>(a.reason) | static_cast<unsigned>(b.reason);
    ++counts[Key(a)];
    ++more[Key(b)];
  }
  if (i < outcomes.size()) {
    seen |=
        static_cast<unsigned>(outcomes[i].state) << 8 | static_cast<unsigned>(outcomes[i].reason);
    ++counts[Key(outcomes[i])];
  }
  PORTOLAN_CHECK((seen & ~0x073Fu) == 0);  // nothing that Key() would have cut off
  std::vector<std::pair<uint64_t, size_t>> used;
  for (size_t key = 0; key < kKeys; ++key) {
    const uint64_t n = counts[key] + more[key];
    if (n == 0) continue;
    PORTOLAN_CHECK(IsValid(FromKey(key).state, FromKey(key).reason));
    used.emplace_back(n, key);
  }
  std::sort(used.begin(), used.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  Table table;
  for (const auto& [n, key] : used) {
    table.code_of_key[key] = static_cast<uint8_t>(table.symbols.size());
    table.symbols.push_back(FromKey(key));
    table.totals.push_back(n);
  }
  return table;
}

// Appends the codes of `outcomes`, B bits each, and the exceptions to `out`.
template <int B>
void AppendCodes(std::span<const Symbol> outcomes, const Table& table, std::string& out) {
  constexpr size_t kLimit = size_t{1} << B;
  const size_t spare = table.symbols.size() > kLimit ? table.symbols.size() - kLimit : 0;
  uint64_t exceptions = 0;
  for (size_t i = kLimit; i < table.totals.size(); ++i) exceptions += table.totals[i];
  std::string list;
  size_t next = 0;  // position behind the last exception
  const auto except = [&](size_t position, size_t code) {
    AppendVarint((position - next) * spare + (code - kLimit), list);
    next = position + 1;
  };
  if constexpr (B == 0) {
    if (exceptions > 0) {
      for (size_t i = 0; i < outcomes.size(); ++i) {
        const size_t code = table.code_of_key[Key(outcomes[i])];
        if (code != 0) except(i, code);
      }
    }
  } else {
    constexpr size_t kPerByte = 8 / B;
    const size_t start = out.size();
    out.resize(start + (outcomes.size() + kPerByte - 1) / kPerByte);
    char* bytes = out.data() + start;
    for (size_t i = 0; i < outcomes.size(); i += kPerByte) {
      const size_t n = std::min(kPerByte, outcomes.size() - i);
      unsigned byte = 0, highest = 0;
      for (size_t k = 0; k < n; ++k) {
        const unsigned code = table.code_of_key[Key(outcomes[i + k])];
        highest |= code;
        byte |= code << (k * B);
      }
      if (B < 8 && highest >= kLimit) [[unlikely]] {
        byte = 0;
        for (size_t k = 0; k < n; ++k) {
          const unsigned code = table.code_of_key[Key(outcomes[i + k])];
          if (code >= kLimit) {
            except(i + k, code);
          } else {
            byte |= code << (k * B);
          }
        }
      }
      *bytes++ = static_cast<char>(byte);
    }
  }
  AppendVarint(exceptions, out);
  out += list;
}

void AppendCodes(int bits, std::span<const Symbol> outcomes, const Table& table, std::string& out) {
  switch (bits) {
    case 0:
      return AppendCodes<0>(outcomes, table, out);
    case 1:
      return AppendCodes<1>(outcomes, table, out);
    case 2:
      return AppendCodes<2>(outcomes, table, out);
    case 4:
      return AppendCodes<4>(outcomes, table, out);
    default:
      return AppendCodes<8>(outcomes, table, out);
  }
}

// ---- decoding ----

// An encoding taken apart and found well-formed, but for its codes and exceptions, which CountCodes
// and ReadExceptions judge.
struct Parts {
  uint64_t count = 0;
  std::vector<Symbol> table;
  int bits = 0;
  const uint8_t* codes = nullptr;
  size_t code_bytes = 0;
  uint64_t exceptions = 0;
  std::string_view list;
  size_t limit() const { return size_t{1} << bits; }
  unsigned CodeAt(uint64_t i) const {  // bits > 0
    const uint64_t per_byte = 8 / static_cast<unsigned>(bits);
    return codes[i / per_byte] >> (i % per_byte * static_cast<unsigned>(bits)) & ((1u << bits) - 1);
  }
};

absl::Status Malformed(std::string_view what) {
  return InvalidArgument("outcomes are not a chunk encoding: {}", what);
}

absl::StatusOr<Parts> Parse(std::string_view in, size_t max_count) {
  Parts parts;
  uint64_t version = 0, symbols = 0;
  if (!TakeVarint(in, version)) return Malformed("no version");
  if (version != kVersion) {
    return InvalidArgument("outcomes are in chunk encoding {}; this program knows {}: update it",
                           version, kVersion);
  }
  if (!TakeVarint(in, parts.count)) return Malformed("no count");
  if (parts.count > max_count) {
    return InvalidArgument("outcomes of {} positions, where at most {} are expected", parts.count,
                           max_count);
  }
  if (!TakeVarint(in, symbols)) return Malformed("no symbol count");
  if (symbols > kMaxSymbols || (symbols == 0) != (parts.count == 0))
    return Malformed("bad symbol count");
  if (in.size() < symbols * 2) return Malformed("symbol table cut short");
  for (uint64_t i = 0; i < symbols; ++i) {
    const Symbol s{static_cast<State>(in[2 * i]), static_cast<Reason>(in[2 * i + 1])};
    if (!IsValid(s.state, s.reason)) return Malformed("no such state and reason");
    if (std::find(parts.table.begin(), parts.table.end(), s) != parts.table.end())
      return Malformed("symbol twice");
    parts.table.push_back(s);
  }
  in.remove_prefix(symbols * 2);
  if (in.empty()) return Malformed("no code width");
  parts.bits = static_cast<uint8_t>(in.front());
  in.remove_prefix(1);
  if (std::find(std::begin(kBits), std::end(kBits), parts.bits) == std::end(kBits) ||
      (parts.count == 0 && parts.bits != 0)) {
    return Malformed("bad code width");
  }
  if (parts.bits > 0) {
    const uint64_t per_byte = 8 / static_cast<unsigned>(parts.bits);
    const uint64_t bytes = parts.count / per_byte + (parts.count % per_byte != 0);
    if (in.size() < bytes) return Malformed("codes cut short");
    parts.codes = reinterpret_cast<const uint8_t*>(in.data());
    parts.code_bytes = bytes;
    in.remove_prefix(bytes);
    const unsigned used =
        static_cast<unsigned>(parts.count % per_byte) * static_cast<unsigned>(parts.bits);
    if (used != 0 && parts.codes[bytes - 1] >> used != 0)
      return Malformed("bits set behind the last code");
  }
  if (!TakeVarint(in, parts.exceptions)) return Malformed("no exception count");
  // Each takes a byte at least, so that a short input cannot ask for much work.
  if (parts.exceptions > parts.count || parts.exceptions > in.size())
    return Malformed("too many exceptions");
  if (parts.exceptions > 0 && symbols <= parts.limit())
    return Malformed("exceptions without a symbol for them");
  parts.list = in;
  return parts;
}

// How often each code occurs in the packed bytes, by table entry. False: a code that is not in the
// table.
bool CountCodes(const Parts& parts, std::vector<uint64_t>& totals) {
  totals.assign(parts.table.size(), 0);
  uint64_t counts[256] = {};
  const uint8_t* p = parts.codes;
  const uint8_t* const end = p + parts.code_bytes;
  switch (parts.bits) {
    case 0:
      break;
    case 1:
      for (; end - p >= 8; p += 8) counts[1] += static_cast<uint64_t>(std::popcount(LoadWord(p)));
      for (; p != end; ++p) counts[1] += static_cast<uint64_t>(std::popcount(*p));
      break;
    case 2: {
      const auto add = [&counts](uint64_t word) {
        const uint64_t low = word & 0x5555'5555'5555'5555u;
        const uint64_t high = word >> 1 & 0x5555'5555'5555'5555u;
        counts[1] += static_cast<uint64_t>(std::popcount(low & ~high));
        counts[2] += static_cast<uint64_t>(std::popcount(high & ~low));
        counts[3] += static_cast<uint64_t>(std::popcount(low & high));
      };
      for (; end - p >= 8; p += 8) add(LoadWord(p));
      for (; p != end; ++p) add(*p);
      break;
    }
    case 4: {
      uint64_t bytes[256] = {};
      for (; p != end; ++p) ++bytes[*p];
      for (size_t b = 0; b < 256; ++b) {
        counts[b & 15] += bytes[b];
        counts[b >> 4] += bytes[b];
      }
      break;
    }
    default:
      for (; p != end; ++p) ++counts[*p];
      break;
  }
  // Code 0 is what the others leave: bits behind the last code count as 0 too.
  uint64_t others = 0;
  for (size_t code = 1; code < 256; ++code) {
    if (counts[code] == 0) continue;
    if (code >= totals.size()) return false;
    totals[code] = counts[code];
    others += counts[code];
  }
  if (!totals.empty()) totals[0] = parts.count - others;
  return true;
}

// Calls each(position, code) for every exception, and moves it from code 0 to its own in `totals`.
template <typename Each>
absl::Status ReadExceptions(const Parts& parts, std::vector<uint64_t>& totals, Each each) {
  std::string_view in = parts.list;
  uint64_t next = 0;
  for (uint64_t i = 0; i < parts.exceptions; ++i) {
    uint64_t value = 0;
    if (!TakeVarint(in, value)) return Malformed("exceptions cut short");
    const uint64_t spare = parts.table.size() - parts.limit();
    const uint64_t gap = value / spare;
    const size_t code = parts.limit() + value % spare;
    if (gap >= parts.count - next) return Malformed("exception behind the last position");
    const uint64_t position = next + gap;
    if (parts.bits > 0 && parts.CodeAt(position) != 0)
      return Malformed("exception where there is a code");
    --totals[0];
    ++totals[code];
    each(position, static_cast<uint8_t>(code));
    next = position + 1;
  }
  if (!in.empty()) return Malformed("bytes behind the end");
  return absl::OkStatus();
}

// What each value of a code byte unpacks to.
template <int B>
constexpr auto MakeUnpackTable() {
  std::array<std::array<uint8_t, 8 / B>, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (unsigned k = 0; k < 8 / B; ++k)
      table[byte][k] = static_cast<uint8_t>(byte >> (k * B) & ((1u << B) - 1));
  }
  return table;
}

template <int B>
void Unpack(const Parts& parts, uint8_t* out) {
  static constexpr auto kTable = MakeUnpackTable<B>();
  constexpr size_t kPerByte = 8 / B;
  const size_t whole = parts.count / kPerByte;
  for (size_t i = 0; i < whole; ++i)
    std::memcpy(out + i * kPerByte, kTable[parts.codes[i]].data(), kPerByte);
  const size_t rest = parts.count % kPerByte;
  if (rest > 0) std::memcpy(out + whole * kPerByte, kTable[parts.codes[whole]].data(), rest);
}

}  // namespace

std::string EncodeOutcomes(std::span<const Symbol> outcomes) {
  const Table table = MakeTable(outcomes);
  // No encoding with b bits is smaller than its codes and a byte for each exception: try the most
  // promising b first, and skip those that cannot win any more.
  std::vector<std::pair<uint64_t, int>> candidates;
  for (int bits : kBits) {
    const size_t limit = size_t{1} << bits;
    uint64_t least = (outcomes.size() * static_cast<uint64_t>(bits) + 7) / 8;
    for (size_t i = limit; i < table.totals.size(); ++i) least += table.totals[i];
    candidates.emplace_back(least, bits);
    if (table.symbols.size() <= limit) break;  // more bits only cost more
  }
  std::sort(candidates.begin(), candidates.end());
  std::string head;
  AppendVarint(kVersion, head);
  AppendVarint(outcomes.size(), head);
  AppendVarint(table.symbols.size(), head);
  for (const Symbol& s : table.symbols) {
    head.push_back(static_cast<char>(s.state));
    head.push_back(static_cast<char>(s.reason));
  }
  std::string best;
  for (const auto& [least, bits] : candidates) {
    if (!best.empty() && head.size() + 2 + least >= best.size()) continue;
    std::string encoded = head;
    encoded.push_back(static_cast<char>(bits));
    AppendCodes(bits, outcomes, table, encoded);
    if (best.empty() || encoded.size() < best.size()) best = std::move(encoded);
  }
  return best;
}

absl::StatusOr<DecodedOutcomes> DecodeOutcomes(std::string_view encoded, size_t max_count) {
  PORTOLAN_ASSIGN_OR_RETURN(const Parts parts, Parse(encoded, max_count));
  DecodedOutcomes out;
  out.table = parts.table;
  if (!CountCodes(parts, out.totals)) return Malformed("code that is not in the table");
  out.codes.resize(parts.count);
  switch (parts.bits) {
    case 0:
      break;
    case 1:
      Unpack<1>(parts, out.codes.data());
      break;
    case 2:
      Unpack<2>(parts, out.codes.data());
      break;
    case 4:
      Unpack<4>(parts, out.codes.data());
      break;
    default:
      std::memcpy(out.codes.data(), parts.codes, parts.count);
      break;
  }
  PORTOLAN_RETURN_IF_ERROR(ReadExceptions(
      parts, out.totals, [&out](uint64_t position, uint8_t code) { out.codes[position] = code; }));
  return out;
}

absl::StatusOr<OutcomeTotals> CountOutcomes(std::string_view encoded, size_t max_count) {
  PORTOLAN_ASSIGN_OR_RETURN(const Parts parts, Parse(encoded, max_count));
  OutcomeTotals out;
  out.count = parts.count;
  out.table = parts.table;
  if (!CountCodes(parts, out.totals)) return Malformed("code that is not in the table");
  PORTOLAN_RETURN_IF_ERROR(ReadExceptions(parts, out.totals, [](uint64_t, uint8_t) {}));
  return out;
}

}  // namespace portolan
