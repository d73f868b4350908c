#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/dns/dns_message.h"
#include "common/net/ip_address.h"

namespace portolan {

// What a test's name server does with one question.
struct DnsAction {
  enum class Kind : uint8_t {
    kAnswer,
    kSilence,
    // Hostile or broken servers:
    kWrongId,       // the right answer under another id
    kGarbage,       // bytes that are no message
    kCutOff,        // a message that ends in the middle of a record
    kPointerLoop,   // a name that points to itself
    kOtherOwner,    // the address record belongs to another name
    kOtherQuestion  // an answer to another question, under the right id
  };
  Kind kind = Kind::kAnswer;
  Duration delay{};
  uint8_t code = kDnsNoError;
  bool truncate = false;             // over UDP: TC, and no records
  std::vector<std::string> aliases;  // the chain, without the name itself
  std::vector<IpAddress> addresses;  // of the wanted type
};

// What the name server of a test knows. Names that were set win; then the labels of a name say what
// becomes of it, so that a list of 100,000 names needs no file:
//   ms250      answered after 250 ms             nx, servfail, refused   with that code
//   nodata     exists without an address         silent                  not answered
//   v4, v6     has only that family              v6silent, v6servfail    so for AAAA only
//   many40     40 addresses of each family       alias3                  a chain of three aliases
//   cut        TCP only (truncated over UDP)     ip-127-0-0-5            this address
//   wrongid, garbage, cutoff, loop, otherowner, otherquestion            hostile answers
// A name under .test without such a label has one address of each family, which depend on the name
// alone (198.18.0.0/16, 2001:db8::/64). Any other name does not exist. Pure.
class DnsZone {
 public:
  void Set(std::string_view name, std::vector<IpAddress> addresses);
  void SetAlias(std::string_view name, std::string_view target);
  DnsAction Find(std::string_view name, DnsType type) const;

 private:
  std::map<std::string, std::vector<IpAddress>> addresses_;
  std::map<std::string, std::string> aliases_;
};

// A question as it came: name in lower case without final dot. False: it cannot be read.
struct DnsQuestion {
  std::string name;
  uint16_t type = 0;
  size_t end = 0;  // of the question section
};
bool ReadDnsQuestion(std::string_view message, DnsQuestion* out);

// The answer to `question`. `udp`: cut to 512 bytes with TC, as RFC 1035 wants it.
std::string WriteDnsAnswer(std::string_view question, const DnsQuestion& asked,
                           const DnsAction& action, bool udp);

}  // namespace portolan
