#include "common/scope/scope.h"
#include "tests/fuzz/fuzz.h"

// Lines are rules, deny rules after a '!'. A rule's text parses back to the rule; the compiled
// scope agrees with the rules read one by one at every border of every rule.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  std::vector<ScopeRule> allow, deny;
  std::string_view text = Text(data, size);
  while (!text.empty() && allow.size() + deny.size() < 20) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool is_deny = line.starts_with('!');
    if (is_deny) line.remove_prefix(1);
    auto rule = ParseScopeRule(line);
    if (!rule.ok()) {
      CheckError(rule.status());
      continue;
    }
    const auto again = ParseScopeRule(rule->text);
    PORTOLAN_CHECK(again.ok() && again->addresses == rule->addresses &&
                   again->ports == rule->ports);
    (is_deny ? deny : allow).push_back(*std::move(rule));
  }
  const Scope scope = Scope::Create(allow, deny);
  DenyOverlay overlay{1, deny};
  overlay.Prepare();
  static const Scope& by_default = *new Scope(Scope::Default());
  static const Scope& all = *new Scope(Scope::Create({*ParseScopeRule("*")}, {}));
  std::vector<ScopeRule> rules = allow;
  rules.insert(rules.end(), deny.begin(), deny.end());
  size_t looked_at = 0;
  for (const ScopeRule& rule : rules) {
    for (const IpRange& r : rule.addresses.ranges()) {
      if (++looked_at > 200) return 0;
      for (const IpAddress& a : {r.first, r.last}) {
        for (const uint16_t port :
             {uint16_t{0}, rule.ports.empty() ? uint16_t{22} : rule.ports.ranges().front().first,
              uint16_t{65535}}) {
          bool denied = false;
          for (const ScopeRule& d : deny) denied |= d.Matches(a, port);
          PORTOLAN_CHECK(overlay.Denies(a, port) == denied);
          bool given = false;
          // An address that no network may allow needs a rule of its own.
          for (const ScopeRule& g : allow)
            given |= g.Matches(a, port) && (all.Allows(a, port) || g.addresses.size() == 1);
          if (denied) PORTOLAN_CHECK(!scope.Allows(a, port));
          if (given && !denied) PORTOLAN_CHECK(scope.Allows(a, port));
          if (!given && !denied && scope.Allows(a, port))
            PORTOLAN_CHECK(by_default.Allows(a, port));
          const absl::Status check = scope.Check(IpSet::Of({{a, a}}), PortSet::Of({{port, port}}));
          PORTOLAN_CHECK(check.ok() == scope.Allows(a, port));
          if (!check.ok()) CheckError(check);
        }
      }
    }
  }
  return 0;
}
