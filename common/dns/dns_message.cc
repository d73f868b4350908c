#include "common/dns/dns_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/counted.h"
#include "common/base/status.h"
#include "common/net/host_name.h"

namespace portolan {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kMaxWireName = 255;  // bytes on the wire
constexpr int kMaxPointers = 64;      // more than a name of 127 labels needs in practice
constexpr size_t kMaxAliases = 16;    // what resolvers follow, too

// A cursor over a message that remembers that it ran past the end.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  uint32_t Number(size_t bytes) {
    if (!Has(bytes)) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | Byte(at_++);
    return value;
  }
  std::string_view Bytes(size_t size) {
    if (!Has(size)) return {};
    const std::string_view bytes = message_.substr(at_, size);
    at_ += size;
    return bytes;
  }
  // In lower case and without a final dot; the root is "". A byte that is not printable, and a dot
  // inside of a label, become \DDD, so that different names stay different.
  std::string Name() {
    std::string name;
    name.reserve(64);
    size_t at = at_, size = 0;
    bool jumped = false;
    for (int pointers = 0;;) {
      if (at >= message_.size()) return Fail();
      const uint8_t length = Byte(at++);
      if (length == 0) break;
      if (length >= 0xc0) {
        // Only backwards: each jump then ends, also in hostile messages.
        if (at >= message_.size() || ++pointers > kMaxPointers) return Fail();
        const size_t target = static_cast<size_t>(length & 0x3f) << 8 | Byte(at++);
        if (!std::exchange(jumped, true)) at_ = at;
        if (target >= at - 2) return Fail();
        at = target;
        continue;
      }
      size += length + 1u;
      if (length > 63 || size > kMaxWireName || at + length > message_.size()) return Fail();
      if (!name.empty()) name += '.';
      for (size_t end = at + length; at < end; ++at) AppendLabelByte(Byte(at), &name);
    }
    if (!jumped) at_ = at;
    return name;
  }

  // Past a name, wherever it points to.
  void SkipName() {
    while (Has(1)) {
      const uint8_t length = Byte(at_++);
      if (length == 0) return;
      if (length >= 0xc0) {
        Bytes(1);
        return;
      }
      if (length > 63) ok_ = false;
      Bytes(length);
    }
  }

  bool ok() const { return ok_; }

 private:
  uint8_t Byte(size_t at) const { return static_cast<uint8_t>(message_[at]); }
  bool Has(size_t bytes) {
    ok_ = ok_ && message_.size() - at_ >= bytes;
    return ok_;
  }
  std::string Fail() {
    ok_ = false;
    return {};
  }
  static void AppendLabelByte(uint8_t byte, std::string* name) {
    if (byte >= 'A' && byte <= 'Z') {
      *name += static_cast<char>(byte - 'A' + 'a');
    } else if (byte <= ' ' || byte >= 0x7f || byte == '.' || byte == '\\') {
      fmt::format_to(std::back_inserter(*name), "\\{:03}", byte);
    } else {
      *name += static_cast<char>(byte);
    }
  }

  const std::string_view message_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace

std::string DnsCodeName(uint8_t code) {
  switch (code) {
    case 0:
      return "NOERROR";
    case 1:
      return "FORMERR";
    case kDnsServFail:
      return "SERVFAIL";
    case kDnsNxDomain:
      return "NXDOMAIN";
    case 4:
      return "NOTIMP";
    case kDnsRefused:
      return "REFUSED";
    default:
      return fmt::format("response code {}", code);
  }
}

absl::StatusOr<DnsReply> ParseDnsReply(std::string_view message, std::string_view name,
                                       DnsType type) {
  Reader in(message);
  in.Number(2);  // the id, which c-ares has compared
  const uint32_t flags = in.Number(2);
  const uint32_t questions = in.Number(2), answers = in.Number(2);
  in.Number(4);  // authority and additional records: not read
  if (!in.ok() || message.size() < kHeaderBytes) return InvalidArgument("the answer is cut off");
  if ((flags & 0x8000) == 0) return InvalidArgument("the answer is a question");
  DnsReply reply;
  reply.code = flags & 0xf;
  for (uint32_t i = 0; i < questions && in.ok(); ++i) {
    in.SkipName();
    in.Number(4);
  }
  std::string owner = NormalisedName(name);
  std::map<std::string, std::string> aliases;
  std::vector<std::pair<std::string, IpAddress>> found;
  const size_t address_bytes = type == DnsType::kA ? 4 : 16;
  for (uint32_t i = 0; i < answers && in.ok(); ++i) {
    std::string of = in.Name();
    const uint32_t record_type = in.Number(2), record_class = in.Number(2);
    in.Number(4);  // time to live: every lookup asks anew
    const uint32_t size = in.Number(2);
    if (record_class == 1 && record_type == static_cast<uint32_t>(DnsType::kCname)) {
      std::string target = in.Name();
      if (in.ok()) aliases.emplace(std::move(of), std::move(target));
      continue;
    }
    const std::string_view data = in.Bytes(size);
    if (record_class != 1 || record_type != static_cast<uint32_t>(type)) continue;
    if (data.size() != address_bytes)
      return InvalidArgument("an address has {}", Counted(size, "byte", "bytes"));
    PORTOLAN_ASSIGN_OR_RETURN(const IpAddress address, IpAddress::FromBytes(data));
    if (of == owner) {
      reply.addresses.push_back(address);
    } else {
      found.emplace_back(std::move(of), address);
    }
  }
  if (!in.ok()) return InvalidArgument("the answer is cut off, or its names are invalid");

  if (aliases.empty() || aliases.count(owner) == 0) return reply;
  // Of the name itself, which is an alias: none of its own.
  reply.addresses.clear();
  for (size_t i = 0; i < kMaxAliases; ++i) {
    const auto alias = aliases.find(owner);
    if (alias == aliases.end()) break;
    owner = alias->second;
    reply.alias_of = owner;
  }
  for (const auto& [of, address] : found) {
    if (of == owner) reply.addresses.push_back(address);
  }
  return reply;
}

}  // namespace portolan
