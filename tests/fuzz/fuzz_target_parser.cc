#include <algorithm>

#include "common/net/target_parser.h"
#include "tests/fuzz/fuzz.h"

namespace portolan {
namespace {

constexpr size_t kMaxRanges = 10'000;

// Every name that gets through has an address made from its letters; it must be a name, never
// something like an address.
absl::StatusOr<std::vector<IpAddress>> FakeResolve(const std::string& name) {
  PORTOLAN_CHECK(!name.empty() && name.size() <= 254);
  PORTOLAN_CHECK(std::any_of(name.begin(), name.end(),
                             [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }));
  PORTOLAN_CHECK(name.find_first_of(":/[]%,*# \t\n") == name.npos);
  if (name.size() % 7 == 0) return NotFound("no such name");
  return std::vector<IpAddress>{IpAddress::V4(0x0a000000 | static_cast<uint8_t>(name[0]) << 8 |
                                              static_cast<uint8_t>(name.size()))};
}

}  // namespace
}  // namespace portolan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  const auto list = ParseTargets({std::string(Text(data, size))}, FakeResolve, kMaxRanges);
  if (!list.ok()) {
    CheckError(list.status());
    return 0;
  }
  PORTOLAN_CHECK(list->addresses.ranges().size() + list->endpoints.size() <= kMaxRanges);
  // What was understood, printed, means the same.
  std::vector<std::string> texts;
  for (const IpRange& r : list->addresses.ranges()) texts.push_back(r.ToString());
  for (const auto& e : list->endpoints) texts.push_back(FormatEndpoint(e.address, e.port));
  const auto again = ParseTargets(texts, nullptr, kMaxRanges);
  // Ranges that begin or end inside ::ffff:0:0/96 print like IPv4 addresses and do not come back.
  const bool mapped = list->addresses.Intersects(
      {IpAddress::V6(uint128{0xffff} << 32), IpAddress::V6((uint128{0x10000} << 32) - 1)});
  if (mapped) return 0;
  PORTOLAN_CHECK(again.ok() && again->addresses == list->addresses);
  PORTOLAN_CHECK(std::equal(
      again->endpoints.begin(), again->endpoints.end(), list->endpoints.begin(),
      list->endpoints.end(),
      [](const auto& a, const auto& b) { return a.address == b.address && a.port == b.port; }));
  return 0;
}
