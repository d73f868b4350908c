#include "common/dns/resolver_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/net/host_name.h"
#include "common/net/literal.h"

namespace portolan {
namespace {

constexpr size_t kMaxServers = 3;                                       // MAXNS
constexpr uint32_t kMaxNdots = 15, kMaxTimeout = 30, kMaxAttempts = 5;  // RES_MAXNDOTS, ...
constexpr size_t kMaxTextName = 253;  // characters, without the dot at the end

// The words of a line up to a comment.
std::vector<std::string_view> Words(std::string_view line, std::string_view comment) {
  std::vector<std::string_view> words;
  line = line.substr(0, line.find_first_of(comment));
  for (size_t at = 0;;) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == line.npos) return words;
    const size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
}

template <typename OnLine>
void ForEachLine(std::string_view text, const OnLine& on_line) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    on_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// "ndots:2" with prefix "ndots:"; false and unchanged when it is something else.
bool ReadOption(std::string_view option, std::string_view prefix, uint32_t max, uint32_t* out) {
  if (!option.starts_with(prefix)) return false;
  uint32_t value = 0;
  if (!literal::ParseNumber(option.substr(prefix.size()), UINT32_MAX, &value)) return false;
  *out = std::min(value, max);
  return true;
}

void ReadOptions(const std::vector<std::string_view>& options, ResolverConfig* config) {
  for (const std::string_view option : options) {
    uint32_t value = 0;
    if (ReadOption(option, "ndots:", kMaxNdots, &value)) {
      config->ndots = static_cast<int>(value);
    } else if (ReadOption(option, "timeout:", kMaxTimeout, &value)) {
      config->timeout = std::chrono::seconds(std::max(value, 1u));
    } else if (ReadOption(option, "attempts:", kMaxAttempts, &value)) {
      config->attempts = static_cast<int>(std::max(value, 1u));
    } else if (option == "rotate") {
      config->rotate = true;
    } else if (option == "use-vc") {
      config->use_tcp = true;
    } else if (option == "edns0") {
      config->edns = true;
    } else if (option == "no-aaaa") {
      config->no_aaaa = true;
    } else if (option == "single-request" || option == "single-request-reopen") {
      config->one_by_one = true;
    }
  }
}

// Search domains without the final dot; "." (only the root) is the name as it is, which is asked
// for in any case.
std::vector<std::string> Domains(const std::vector<std::string_view>& words) {
  std::vector<std::string> domains;
  for (std::string_view domain : words) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (!domain.empty()) domains.emplace_back(domain);
  }
  return domains;
}

}  // namespace

std::string NameServer::ToString() const {
  return port == 53 ? address.ToString() : FormatEndpoint(address, port);
}

ResolverConfig ParseResolvConf(std::string_view text, std::string_view local_domain,
                               std::string_view options, std::string_view host_name) {
  ResolverConfig config;
  bool has_search = false;
  ForEachLine(text, [&](std::string_view line) {
    // glibc: a comment has its mark in the first column; after a value it must be set off, too.
    std::vector<std::string_view> words = Words(line, "#;");
    if (words.size() < 2) return;
    const std::string_view key = words[0];
    words.erase(words.begin());
    if (key == "nameserver") {
      if (config.servers.size() + config.unusable_servers.size() >= kMaxServers) return;
      const absl::StatusOr<IpAddress> address = IpAddress::Parse(words[0]);
      if (address.ok()) {
        config.servers.push_back({*address, 53});
      } else if (words[0].find('%') != words[0].npos) {
        config.unusable_servers.emplace_back(words[0]);
      }
    } else if (key == "search") {
      config.search = Domains(words);
      has_search = true;
    } else if (key == "domain") {
      config.search = Domains({words[0]});
      has_search = true;
    } else if (key == "options") {
      ReadOptions(words, &config);
    }
  });
  if (!local_domain.empty()) {
    config.search = Domains(Words(local_domain, ""));
  } else if (const size_t dot = host_name.find('.'); !has_search && dot != host_name.npos) {
    config.search = Domains({host_name.substr(dot + 1)});
  }
  ReadOptions(Words(options, ""), &config);
  if (config.servers.empty() && config.unusable_servers.empty()) {
    config.servers.push_back({IpAddress::V4(0x7f000001), 53});
  }
  return config;
}

SearchPlan PlanSearch(std::string_view name, const ResolverConfig& config) {
  SearchPlan plan;
  const bool absolute = name.ends_with('.');
  if (absolute) name.remove_suffix(1);
  const auto dots = std::count(name.begin(), name.end(), '.');
  const auto add_as_it_is = [&] {
    plan.as_it_is = plan.names.size();
    plan.names.emplace_back(name);
  };
  const bool first = absolute || dots >= config.ndots;
  if (first) add_as_it_is();
  if (!absolute) {
    for (const std::string& domain : config.search) {
      if (name.size() + 1 + domain.size() > kMaxTextName) continue;
      plan.names.push_back(fmt::format("{}.{}", name, domain));
    }
  }
  if (!first) add_as_it_is();
  return plan;
}

}  // namespace portolan
