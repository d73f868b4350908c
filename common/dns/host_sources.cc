#include "common/dns/host_sources.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/net/host_name.h"

namespace portolan {
namespace {

// What a source can answer, as nsswitch.conf spells it.
constexpr std::array<std::string_view, 4> kStatuses = {"success", "notfound", "unavail",
                                                       "tryagain"};
constexpr size_t kNotFound = 1, kUnavailable = 2, kTryAgain = 3;

struct Source {
  std::string_view name;
  std::array<bool, 4> returns = {true, false, false, false};  // of kStatuses: the search ends
};

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Takes the next word: one of "[]!=" alone, or what ends before one of them or a blank. Empty: the
// text has ended.
std::string_view TakeWord(std::string_view* text) {
  constexpr std::string_view kBlanks = " \t\r", kSigns = "[]!=";
  text->remove_prefix(std::min(text->find_first_not_of(kBlanks), text->size()));
  if (text->empty()) return {};
  size_t end = 1;
  if (kSigns.find(text->front()) == kSigns.npos)
    end = std::min(text->find_first_of(" \t\r[]!="), text->size());
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

// "NOTFOUND=return", "!UNAVAIL=return", up to the closing bracket or the end of the text.
void TakeActions(std::string_view* text, Source* source) {
  bool others = false, has_action = false;
  std::optional<size_t> status;
  for (std::string_view word = TakeWord(text); !word.empty() && word != "]";
       word = TakeWord(text)) {
    if (word == "!") {
      others = true;
    } else if (word == "=") {
      has_action = true;
    } else if (!has_action) {
      const auto found = std::find_if(kStatuses.begin(), kStatuses.end(), [&](std::string_view s) {
        return EqualsIgnoringCase(word, s);
      });
      status.reset();
      if (found != kStatuses.end()) status = static_cast<size_t>(found - kStatuses.begin());
    } else {
      const bool returns = EqualsIgnoringCase(word, "return");
      for (size_t i = 0; status.has_value() && source != nullptr && i < kStatuses.size(); ++i) {
        if ((i == *status) != others) source->returns[i] = returns;
      }
      others = has_action = false;
    }
  }
}

std::vector<Source> SourcesOf(std::string_view line) {
  std::vector<Source> sources;
  for (std::string_view word = TakeWord(&line); !word.empty(); word = TakeWord(&line)) {
    if (word == "[") {
      TakeActions(&line, sources.empty() ? nullptr : &sources.back());
    } else if (word != "]" && word != "=" && word != "!") {
      sources.push_back({word});
    }
  }
  return sources;
}

// The text behind "hosts:" of the first line that has one, without its comment.
std::optional<std::string_view> HostsLine(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    constexpr std::string_view kHosts = "hosts:";
    if (line.starts_with(kHosts)) return line.substr(kHosts.size());
  }
  return std::nullopt;
}

bool MayKnow(const std::string& source, const std::string& normal, std::string_view host_name) {
  if (source.starts_with("mdns")) return normal.ends_with(".local");
  if (source == "myhostname") {
    return normal == NormalisedName(host_name) || normal == "_gateway" || normal == "_outbound" ||
           normal == "_localdnsstub" || normal == "_localdnsproxy";
  }
  if (source == "mymachines") return normal.find('.') == normal.npos;
  return true;
}

}  // namespace

HostSources ParseNsswitch(std::string_view text) {
  HostSources out;
  const std::optional<std::string_view> line = HostsLine(text);
  if (!line.has_value()) {
    out.files = out.dns = true;
    return out;
  }
  std::vector<Source> sources = SourcesOf(*line);
  const auto is = [](std::string_view name) {
    return [name](const Source& s) { return s.name == name; };
  };
  // The hosts file can always be asked, so what does not hold there ends the search for good.
  const auto end = std::find_if(sources.begin(), sources.end(), [](const Source& s) {
    return s.name == "files" && s.returns[kNotFound];
  });
  if (end != sources.end()) sources.erase(end + 1, sources.end());

  const auto dns = std::find_if(sources.begin(), sources.end(), is("dns"));
  const auto files = std::find_if(sources.begin(), sources.end(), is("files"));
  out.dns = dns != sources.end();
  out.files = files != sources.end();
  out.dns_first = out.dns && out.files && dns < files;
  if (out.dns) {
    out.dns_denial_is_final = dns->returns[kNotFound];
    out.dns_failure_is_final = dns->returns[kUnavailable] && dns->returns[kTryAgain];
  }
  for (auto source = sources.begin(); source != sources.end(); ++source) {
    if (source->name == "files" || source->name == "dns") continue;
    out.other.emplace_back(source->name);
    if (source < dns) ++out.others_before_dns;
    const bool ends =
        source->returns[kNotFound] || source->returns[kUnavailable] || source->returns[kTryAgain];
    if (!ends || source >= (out.dns ? dns : files)) continue;
    out.deciding.emplace_back(source->name);
    out.deciding_first = out.deciding_first || source < files;
  }
  return out;
}

std::vector<std::string> SourcesThatMayKnow(const HostSources& sources, std::string_view name,
                                            std::string_view host_name, bool before_dns) {
  const std::string normal = NormalisedName(name);
  std::vector<std::string> able;
  const size_t end = before_dns ? sources.others_before_dns : sources.other.size();
  for (size_t i = 0; i < end; ++i) {
    if (MayKnow(sources.other[i], normal, host_name)) able.push_back(sources.other[i]);
  }
  return able;
}

bool SystemDecides(const HostSources& sources, std::string_view name, std::string_view host_name) {
  if (sources.deciding.empty()) return false;
  const std::string normal = NormalisedName(name);
  return std::any_of(sources.deciding.begin(), sources.deciding.end(),
                     [&](const std::string& source) { return MayKnow(source, normal, host_name); });
}

bool EndsSearch(const HostSources& sources, LookupProblem problem) {
  return problem == LookupProblem::kCouldNotAsk ? sources.dns_failure_is_final
                                                : sources.dns_denial_is_final;
}

}  // namespace portolan
