#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/ip_address.h"

namespace portolan {

// Why a name has no address. "It does not exist" and "nobody could be asked" are different facts:
// only the first two are statements about the name.
enum class LookupProblem : uint8_t {
  kNoSuchName = 1,   // NXDOMAIN
  kNoAddress = 2,    // the name exists and has neither A nor AAAA records
  kCouldNotAsk = 3,  // time-out, SERVFAIL, REFUSED, no server: nothing is known about the name
};

// What one name leads to.
struct NameAnswer {
  // A and AAAA; ascending and distinct. IPv4-mapped IPv6 addresses appear as IPv4.
  std::vector<IpAddress> addresses;
  // Set exactly when `addresses` is empty.
  std::optional<LookupProblem> problem;
  // One clause for people, for example "no answer from 198.18.0.1 within 5 s". May be empty.
  std::string detail;
};

// Looks up host names, many at a time. Implementations bound the queries under way over all
// requests and serve requests in turn, so that one long list does not hold up another caller's
// single name. Thread-safe. Must outlive the requests that it returned.
class NameLookup {
 public:
  virtual ~NameLookup() = default;

  // A lookup under way. Destroying it cancels what is left; no callback runs after the destructor
  // has returned. Must not be destroyed inside one of its own callbacks.
  class Request {
   public:
    virtual ~Request() = default;
  };

  // How many names have an answer so far. Called on the implementation's thread, ascending, not for
  // every name.
  using Progress = std::function<void(size_t done)>;
  // Called once, on the implementation's thread, with one answer per name, in the order of the
  // names.
  using Done = std::function<void(std::vector<NameAnswer> answers)>;

  // Starts to look up `names`; returns immediately. `progress` may be null. Callbacks must not
  // block.
  virtual std::unique_ptr<Request> Start(std::vector<std::string> names, Progress progress,
                                         Done done) = 0;
};

}  // namespace portolan
