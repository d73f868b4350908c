#include <algorithm>

#include "common/net/list_text.h"
#include "common/net/target_parser.h"
#include "tests/fuzz/fuzz.h"

namespace portolan {
namespace {

constexpr size_t kMaxRanges = 10'000;

// A name must be a name, never something like an address.
void CheckName(const std::string& name) {
  PORTOLAN_CHECK(!name.empty() && name.size() <= 254);
  PORTOLAN_CHECK(std::any_of(name.begin(), name.end(),
                             [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }) ||
                 name.find('_') != name.npos || name.find('-') != name.npos);
  PORTOLAN_CHECK(name.find_first_of(":/[]%,*# \t\n") == name.npos);
}

// Every name that gets through has an address made from its letters, or none.
NameAnswer Answer(const std::string& name) {
  NameAnswer answer;
  if (name.size() % 7 == 0) {
    answer.problem =
        name.size() % 2 == 0 ? LookupProblem::kNoSuchName : LookupProblem::kCouldNotAsk;
  } else {
    answer.addresses = {IpAddress::V4(0x0a000000 | static_cast<uint8_t>(name[0]) << 8 |
                                      static_cast<uint8_t>(name.size()))};
  }
  return answer;
}

}  // namespace
}  // namespace portolan

// The first byte says whether the rest is the content of a file, in any encoding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  std::string text(Text(data, size));
  if (!text.empty() && text[0] == 'F') text = DecodeText(text.substr(1));
  const auto parsed = ParseTargets({text}, kMaxRanges);
  if (!parsed.ok()) {
    CheckError(parsed.status());
    return 0;
  }
  for (const TargetProblem& p : parsed->problems().first()) {
    PORTOLAN_CHECK(p.expression == 0 && !p.entry.empty() && !p.problem.empty());
    PORTOLAN_CHECK(p.place.line >= 1 && p.place.column >= 1 && p.place.column <= text.size());
  }
  if (!parsed->problems().empty()) {
    CheckError(parsed->problems().ToStatus());
    const auto carried = ProblemsOf(parsed->problems().ToStatus());
    PORTOLAN_CHECK(carried && carried->total() == parsed->problems().total());
    return 0;
  }
  std::vector<NameAnswer> answers;
  for (const std::string& name : parsed->names()) {
    CheckName(name);
    answers.push_back(Answer(name));
  }
  const auto list = parsed->Complete(answers, false);
  if (!list.ok()) {
    CheckError(list.status());
    return 0;
  }
  if (!list->problems.empty()) {
    CheckError(list->problems.ToStatus());
    return 0;
  }
  const TargetList& targets = list->targets;
  PORTOLAN_CHECK(targets.addresses.ranges().size() + targets.endpoints.size() <= kMaxRanges);
  // What was understood, printed, means the same.
  std::vector<std::string> texts;
  for (const IpRange& r : targets.addresses.ranges()) texts.push_back(r.ToString());
  for (const auto& e : targets.endpoints) texts.push_back(FormatEndpoint(e.address, e.port));
  const auto again = ParseAddressTargets(texts, kMaxRanges);
  // Ranges that begin or end inside ::ffff:0:0/96 print like IPv4 addresses and do not come back.
  const bool mapped = targets.addresses.Intersects(
      {IpAddress::V6(uint128{0xffff} << 32), IpAddress::V6((uint128{0x10000} << 32) - 1)});
  if (mapped) return 0;
  PORTOLAN_CHECK(again.ok() && again->addresses == targets.addresses);
  PORTOLAN_CHECK(std::equal(
      again->endpoints.begin(), again->endpoints.end(), targets.endpoints.begin(),
      targets.endpoints.end(),
      [](const auto& a, const auto& b) { return a.address == b.address && a.port == b.port; }));
  return 0;
}
