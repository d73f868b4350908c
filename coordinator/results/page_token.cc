#include "coordinator/results/page_token.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/status.h"

namespace portolan {
namespace {

constexpr uint8_t kVersion = 1;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kMaxToken = 200;

// FNV-1a.
uint64_t Hash(std::string_view bytes) {
  uint64_t h = 0xCBF29CE484222325;
  for (const char c : bytes) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return h;
}

// Base64 without padding (RFC 4648, section 5).
std::string ToText(std::string_view bytes) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) out.push_back(kAlphabet[bits >> (count - 6) & 63]);
  }
  if (count > 0) out.push_back(kAlphabet[bits << (6 - count) & 63]);
  return out;
}

bool FromText(std::string_view text, std::string& out) {
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return true;
}

}  // namespace

uint64_t QueryDigest(const ScanId& id, const ResultQuery& query) {
  ByteWriter w;
  w.String(id);
  std::vector<State> states =
      query.states.empty() ? std::vector<State>{State::kOpen} : query.states;
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  for (const State s : states) w.Byte(static_cast<uint8_t>(s));
  w.String(query.addresses.ToString());
  w.String(query.ports.ToString());
  for (const std::string& vantage : query.vantages) w.String(vantage);
  w.Byte(query.without_everywhere_open ? 1 : 0);
  return Hash(w.Take());
}

std::string EncodePageToken(uint64_t digest, const Place& place) {
  ByteWriter w;
  w.Byte(kVersion);
  w.Fixed64(digest);
  if (const auto* row = std::get_if<RowPlace>(&place)) {
    w.Byte('r');
    w.String(row->key.address.ToBytes());
    w.Varint(row->key.port);
    w.Varint(row->key.lane);
  } else if (const auto* position = std::get_if<PositionPlace>(&place)) {
    w.Byte('p');
    w.Varint(position->group);
    w.Varint(position->natural);
    w.Varint(position->lane);
  } else {
    const FindingPlace& finding = std::get<FindingPlace>(place);
    w.Byte('f');
    w.Varint(finding.lane);
    w.String(finding.after.has_value() ? finding.after->address.ToBytes() : std::string());
    w.Byte(finding.after.has_value() ? static_cast<uint8_t>(finding.after->kind) : 0);
  }
  return ToText(w.Take());
}

absl::StatusOr<Place> DecodePageToken(std::string_view token, uint64_t digest) {
  const auto bad = [] {
    return InvalidArgument("page token: not one of this listing; begin it anew without a token");
  };
  std::string bytes;
  if (token.size() > kMaxToken || !FromText(token, bytes)) return bad();
  ByteReader r(bytes);
  if (r.Byte() != kVersion || r.Fixed64() != digest) return bad();
  Place place;
  const uint8_t kind = r.Byte();
  if (kind == 'r') {
    RowPlace row;
    const auto address = IpAddress::FromBytes(r.String());
    const uint64_t port = r.Varint();
    row.key.lane = r.Varint();
    if (!address.ok() || port > 65535 || row.key.lane > INT64_MAX) return bad();
    row.key.address = *address;
    row.key.port = static_cast<uint16_t>(port);
    place = row;
  } else if (kind == 'p') {
    PositionPlace p;
    p.group = r.Varint();
    p.natural = r.Varint();
    const uint64_t lane = r.Varint();
    if (lane > UINT32_MAX) return bad();
    p.lane = static_cast<uint32_t>(lane);
    place = p;
  } else if (kind == 'f') {
    FindingPlace f;
    const uint64_t lane = r.Varint();
    const std::string_view bytes_of_address = r.String();
    const auto finding = static_cast<HostFindingKind>(r.Byte());
    if (lane > UINT32_MAX) return bad();
    f.lane = static_cast<uint32_t>(lane);
    if (!bytes_of_address.empty()) {
      const auto address = IpAddress::FromBytes(bytes_of_address);
      if (!address.ok() || !IsValid(finding)) return bad();
      f.after = Store::FindingKey{*address, finding};
    }
    place = f;
  } else {
    return bad();
  }
  if (!r.done()) return bad();
  return place;
}

}  // namespace portolan
