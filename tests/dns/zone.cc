#include "tests/dns/zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/net/host_name.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr size_t kHeaderBytes = 12, kMaxUdp = 512;

uint32_t Hash(std::string_view name) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

IpAddress AddressOf(uint32_t hash, DnsType type) {
  if (type == DnsType::kA) return IpAddress::V4(0xc6120000u | (hash & 0xffff));
  return IpAddress::V6(static_cast<uint128>(0x20010db8u) << 96 | hash);
}

void AppendNumber(uint32_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) *out += static_cast<char>(value >> (8 * i) & 0xff);
}

void AppendName(std::string_view name, std::string* out) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    *out += static_cast<char>(dot);
    out->append(name.substr(0, dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  *out += '\0';
}

void AppendRecord(std::string_view owner, DnsType type, std::string_view data, std::string* out) {
  AppendName(owner, out);
  AppendNumber(static_cast<uint32_t>(type), 2, out);
  AppendNumber(1, 2, out);
  AppendNumber(60, 4, out);
  AppendNumber(static_cast<uint32_t>(data.size()), 2, out);
  out->append(data);
}

// "ms250" with prefix "ms".
bool ReadNumber(std::string_view label, std::string_view prefix, uint32_t* out) {
  return label.starts_with(prefix) && label.size() > prefix.size() &&
         literal::ParseNumber(label.substr(prefix.size()), 1'000'000, out);
}

void Apply(std::string_view label, std::string_view name, DnsType type, DnsAction* action) {
  using Kind = DnsAction::Kind;
  static const std::map<std::string_view, Kind> kinds = {{"silent", Kind::kSilence},
                                                         {"wrongid", Kind::kWrongId},
                                                         {"garbage", Kind::kGarbage},
                                                         {"cutoff", Kind::kCutOff},
                                                         {"loop", Kind::kPointerLoop},
                                                         {"otherowner", Kind::kOtherOwner},
                                                         {"otherquestion", Kind::kOtherQuestion}};
  static const std::map<std::string_view, uint8_t> codes = {
      {"nx", kDnsNxDomain}, {"servfail", kDnsServFail}, {"refused", kDnsRefused}};
  uint32_t number = 0;
  if (const auto kind = kinds.find(label); kind != kinds.end()) {
    action->kind = kind->second;
  } else if (const auto code = codes.find(label); code != codes.end()) {
    action->code = code->second;
    action->addresses.clear();
  } else if (label == "nodata" || (label == "v4" && type == DnsType::kAaaa) ||
             (label == "v6" && type == DnsType::kA)) {
    action->addresses.clear();
  } else if (label == "v6silent" && type == DnsType::kAaaa) {
    action->kind = Kind::kSilence;
  } else if (label == "v6servfail" && type == DnsType::kAaaa) {
    action->code = kDnsServFail;
    action->addresses.clear();
  } else if (label == "cut") {
    action->truncate = true;
  } else if (ReadNumber(label, "ms", &number)) {
    action->delay = std::chrono::milliseconds(number);
  } else if (ReadNumber(label, "many", &number)) {
    action->addresses.clear();
    for (uint32_t i = 0; i < number; ++i) action->addresses.push_back(AddressOf(i, type));
  } else if (ReadNumber(label, "alias", &number)) {
    for (uint32_t i = 1; i <= number; ++i) action->aliases.push_back(fmt::format("{}.{}", i, name));
  } else if (label.starts_with("ip-")) {
    std::string text(label.substr(3));
    std::replace(text.begin(), text.end(), '-', '.');
    uint32_t address = 0;
    if (!literal::ParseV4(text, &address)) return;
    action->addresses.clear();
    if (type == DnsType::kA) action->addresses = {IpAddress::V4(address)};
  }
}

}  // namespace

void DnsZone::Set(std::string_view name, std::vector<IpAddress> addresses) {
  addresses_[NormalisedName(name)] = std::move(addresses);
}

void DnsZone::SetAlias(std::string_view name, std::string_view target) {
  aliases_[NormalisedName(name)] = NormalisedName(target);
}

DnsAction DnsZone::Find(std::string_view name, DnsType type) const {
  DnsAction action;
  std::string owner = NormalisedName(name);
  for (auto alias = aliases_.find(owner); alias != aliases_.end() && action.aliases.size() < 32;
       alias = aliases_.find(owner)) {
    owner = alias->second;
    action.aliases.push_back(owner);
  }
  if (const auto set = addresses_.find(owner); set != addresses_.end()) {
    for (const IpAddress& address : set->second) {
      if (address.is_v6() == (type == DnsType::kAaaa)) action.addresses.push_back(address);
    }
    return action;
  }
  if (owner == "test" || owner.empty()) return action;  // exist, without an address
  if (!owner.ends_with(".test")) {
    action.code = kDnsNxDomain;
    return action;
  }
  action.addresses = {AddressOf(Hash(owner), type)};
  std::string_view rest = owner;
  while (!rest.empty()) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    Apply(rest.substr(0, dot), owner, type, &action);
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  return action;
}

bool ReadDnsQuestion(std::string_view message, DnsQuestion* out) {
  if (message.size() < kHeaderBytes || (message[2] & 0x80) != 0 || message[4] != 0 ||
      message[5] != 1) {
    return false;
  }
  out->name.clear();
  size_t at = kHeaderBytes;
  while (true) {
    if (at >= message.size()) return false;
    const auto length = static_cast<uint8_t>(message[at++]);
    if (length == 0) break;
    if (length > 63 || at + length > message.size()) return false;
    if (!out->name.empty()) out->name += '.';
    out->name.append(message.substr(at, length));
    at += length;
  }
  if (at + 4 > message.size()) return false;
  out->name = NormalisedName(out->name);
  out->type = static_cast<uint16_t>(static_cast<uint8_t>(message[at]) << 8 |
                                    static_cast<uint8_t>(message[at + 1]));
  out->end = at + 4;
  return true;
}

std::string WriteDnsAnswer(std::string_view question, const DnsQuestion& asked,
                           const DnsAction& action, bool udp) {
  using Kind = DnsAction::Kind;
  const auto type = static_cast<DnsType>(asked.type);
  std::string records;
  uint32_t count = 0;
  std::string owner = action.kind == Kind::kOtherOwner ? "other.test" : asked.name;
  for (const std::string& alias : action.aliases) {
    std::string target;
    AppendName(alias, &target);
    AppendRecord(owner, DnsType::kCname, target, &records);
    owner = alias;
    ++count;
  }
  for (const IpAddress& address : action.addresses) {
    AppendRecord(owner, type, address.ToBytes(), &records);
    ++count;
  }
  if (action.kind == Kind::kPointerLoop) {
    const size_t at = asked.end;
    records.clear();
    AppendNumber(0xc000u | static_cast<uint32_t>(at), 2, &records);
    AppendNumber(asked.type, 2, &records);
    AppendNumber(1, 2, &records);
    AppendNumber(60, 4, &records);
    AppendNumber(0, 2, &records);
    count = 1;
  }
  const bool truncate = udp && (action.truncate || asked.end + records.size() > kMaxUdp);
  std::string out;
  out.append(question.substr(0, 2));
  if (action.kind == Kind::kWrongId) out[0] = static_cast<char>(out[0] ^ 0x55);
  AppendNumber(0x8180u | (truncate ? 0x0200u : 0u) | action.code, 2, &out);
  AppendNumber(1, 2, &out);
  AppendNumber(truncate ? 0 : count, 2, &out);
  AppendNumber(0, 4, &out);
  out.append(question.substr(kHeaderBytes, asked.end - kHeaderBytes));
  if (action.kind == Kind::kOtherQuestion && out.size() > kHeaderBytes + 1) {
    out[kHeaderBytes + 1] = out[kHeaderBytes + 1] == 'x' ? 'y' : 'x';
  }
  if (!truncate) out += records;
  if (action.kind == Kind::kGarbage) out = std::string(question.substr(0, 2)) + "\xff\xff garbage";
  if (action.kind == Kind::kCutOff) out.resize(out.size() - std::min<size_t>(3, records.size()));
  return out;
}

}  // namespace portolan
