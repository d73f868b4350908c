#include "coordinator/notify/receiver.h"

#include <algorithm>
#include <charconv>

#include "common/base/status.h"

namespace portolan {
namespace {

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsHost(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > 253) return false;
  return std::all_of(host.begin(), host.end(), [&](char c) {
    return IsAlnum(c) || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

}  // namespace

absl::StatusOr<WebhookUrl> WebhookUrl::Parse(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    // Up to the end of the host: what follows may be a secret.
    const size_t scheme = text.find("://");
    const size_t end = text.find_first_of("/?#", scheme == std::string_view::npos ? 0 : scheme + 3);
    // A user and password would be secret as well.
    const size_t at = text.substr(0, end).find('@');
    const std::string_view shown =
        at != std::string_view::npos ? "(not shown)" : text.substr(0, end);
    return InvalidArgument("URL \"{}\": {}; write it like https://host:8443/path", shown, why);
  };
  WebhookUrl url;
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F) return bad("holds a blank, a control or a non-ASCII character");
  }
  std::string_view rest = text;
  if (rest.substr(0, 8) == "https://") {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.substr(0, 7) == "http://") {
    rest.remove_prefix(7);
  } else {
    return bad("neither http:// nor https://");
  }
  if (rest.find('#') != std::string_view::npos) return bad("has a fragment");
  const size_t slash = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) {
    return bad("has a user or password, give an Authorization header instead");
  }
  if (slash != std::string_view::npos) url.target = rest.substr(slash);
  if (url.target.empty() || url.target[0] != '/') url.target.insert(0, "/");
  const bool bracketed = !authority.empty() && authority[0] == '[';
  std::string_view port;
  if (bracketed) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad("the bracket of the address is not closed");
    url.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    const size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  if (!IsHost(url.host, bracketed)) return bad("not a host");
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto parsed = std::from_chars(port.data() + 1, end, url.port);
    if (port[0] != ':' || parsed.ec != std::errc() || parsed.ptr != end || url.port == 0) {
      return bad("not a port between 1 and 65535");
    }
  }
  return url;
}

std::string WebhookUrl::Origin() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
                     port);
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // Goes back to the last '*' only: linear in the product at worst, without recursion.
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool WebhookFilter::Matches(const Notification& n) const {
  if (n.kind == NotificationKind::kTest) return true;
  if (n.severity < min_severity) return false;
  if (!kinds.empty() && std::find(kinds.begin(), kinds.end(), n.kind) == kinds.end()) return false;
  return monitors.empty() || std::any_of(monitors.begin(), monitors.end(), [&](const auto& m) {
           return MatchesPattern(m, n.monitor);
         });
}

}  // namespace portolan
