#include "common/net/port_set.h"
#include "tests/fuzz/fuzz.h"

// A set that was accepted is not empty, and prints as an expression of itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  const auto ports = ParsePorts(Text(data, size));
  if (!ports.ok()) {
    CheckError(ports.status());
    return 0;
  }
  PORTOLAN_CHECK(!ports->empty());
  const auto again = ParsePorts(ports->ToString());
  PORTOLAN_CHECK(again.ok() && *again == *ports);
  return 0;
}
