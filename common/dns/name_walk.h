#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns/resolver_config.h"
#include "common/net/ip_address.h"
#include "common/net/name_lookup.h"

namespace portolan {

// What the question for one name and one type of address ended with, after every server that could
// be asked was asked.
struct FamilyResult {
  enum class Kind : uint8_t {
    kAddresses,
    kNoAddress,
    kNoSuchName,
    kServerFailed,  // every server said that it cannot or will not answer
    kNoAnswer,      // at least one did not say anything
  };
  Kind kind = Kind::kNoAddress;
  std::vector<IpAddress> addresses;
  std::string alias_of;
  std::string detail;  // why nobody answered
};

// Decides which names to ask for one after the other (search domains), and what the answers mean
// together. Pure.
//
// As getaddrinfo does: an address of one family is enough, whatever happens to the other; the first
// name of the search list that has an address counts; a name with enough dots is asked for as it is
// first, and its verdict stands. Unlike getaddrinfo, a failure is never read as "no such name", and
// a name that is asked for as it is first, but cannot be asked for, is not looked for in other
// domains: that could find somebody else's host.
class NameWalk {
 public:
  NameWalk(std::string_view name, const ResolverConfig& config);

  // Names to ask for are left; otherwise answer() is final.
  bool done() const { return done_; }
  // The name to ask for now. Only before done().
  const std::string& name() const { return plan_.names[at_]; }
  void Take(FamilyResult a, FamilyResult aaaa);
  NameAnswer TakeAnswer() { return std::move(answer_); }

 private:
  void Finish();

  const SearchPlan plan_;
  size_t at_ = 0;
  bool done_ = false;
  bool verdict_stands_ = false;
  NameAnswer answer_;  // the weightiest verdict so far
};

}  // namespace portolan
