#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/net/target_parser.h"
#include "coordinator/exposure/baseline.h"
#include "coordinator/exposure/confirmations.h"

// Short ways to say things in the tests of this folder.
namespace portolan {

inline const Symbol kOpenSym{State::kOpen, Reason::kSynAck};
inline const Symbol kResetSym{State::kOpen, Reason::kResetAfterAccept};
inline const Symbol kClosedSym{State::kClosed, Reason::kConnRefused};
inline const Symbol kSilentSym{State::kFiltered, Reason::kNoResponse};
inline const Symbol kRejectSym{State::kFiltered, Reason::kPortUnreachable};
inline const Symbol kNoRouteSym{State::kUnreachable, Reason::kNetUnreachable};
inline const Symbol kOwedSym{State::kOwed, Reason::kLocalFailure};

inline WallTime At(int64_t seconds) { return FromUnixMicros(seconds * 1'000'000); }

inline IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }
// "10.0.0.1", 80, or a name.
inline Subject Sub(const std::string& target, uint16_t port) {
  return {TargetKey::FromString(target), port};
}
inline Coverage Cover(const std::string& network, const std::string& ports,
                      std::vector<std::string> names = {}) {
  IpSet addresses;
  if (!network.empty()) addresses = ParseAddressTargets({network})->addresses;
  return Coverage::Of({{addresses, std::move(names), *ParsePorts(ports)}});
}

// A run that is made of what each subject is; everything else is closed.
struct RunMaker {
  std::string vantage = "in";
  Coverage covered = Cover("10.0.0.0/24", "1-1024", {"www.example"});
  std::map<Subject, Symbol> states;
  std::map<Subject, IpAddress> addresses;
  WallTime when;
  Symbol other = kClosedSym;

  IpAddress AddressOf(const Subject& s) const {
    const auto it = addresses.find(s);
    if (it != addresses.end()) return it->second;
    return s.target.is_name() ? Ip("10.9.9.9") : *s.target.address();
  }
  VantageRun Make(bool complete = true) const {
    VantageRun run;
    run.vantage = vantage;
    run.complete = complete;
    run.covered = covered;
    for (const auto& [s, symbol] : states) {
      if (!IsOpen(symbol)) continue;
      run.open.push_back({s, AddressOf(s), 100, symbol.reason, when, "agent-1"});
    }
    run.lookup = [copy = *this](const Subject& s) -> std::optional<SubjectOutcome> {
      const auto it = copy.states.find(s);
      const Symbol symbol = it == copy.states.end() ? copy.other : it->second;
      if (!IsObserved(symbol)) return std::nullopt;
      return SubjectOutcome{symbol, copy.AddressOf(s), 100, copy.when, "agent-1"};
    };
    return run;
  }
};

}  // namespace portolan
