#include "common/dns/dns_message.h"
#include "tests/fuzz/fuzz.h"

// Whatever a name server sends: no more addresses than fit into it, and a chain of aliases that can
// be printed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  for (const DnsType type : {DnsType::kA, DnsType::kAaaa}) {
    const auto reply = ParseDnsReply(Text(data, size), "a.test", type);
    if (!reply.ok()) {
      CheckError(reply.status());
      continue;
    }
    PORTOLAN_CHECK(reply->addresses.size() <= size / 4);
    for (const char c : reply->alias_of) PORTOLAN_CHECK(c > 0x20 && c < 0x7f);
  }
  return 0;
}
