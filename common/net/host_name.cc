#include "common/net/host_name.h"

#include <fmt/format.h>

#include <algorithm>

namespace portolan {
namespace {

bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string NormalisedName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

literal::Problem CheckHostName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);  // a fully qualified name
  if (name.empty()) return "not a target; write an address, a network, a range or a host name";
  if (name.size() > 253) return "a host name has at most 253 characters";
  std::string_view label;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t dot = std::min(name.find('.', begin), name.size());
    label = name.substr(begin, dot - begin);
    begin = dot + 1;
    if (label.empty()) return "a host name has no empty part; remove the extra dot";
    if (label.size() > 63) return "a part of a host name has at most 63 characters";
    for (const char c : label) {
      if (IsAlpha(c) || literal::IsDigit(c) || c == '-' || c == '_') continue;
      if (c == ',') {
        return "numbers after a comma belong to an IPv4 address, such as 10.0.0.1,3-4; write every "
               "target in full";
      }
      if (static_cast<unsigned char>(c) >= 0x80)
        return "a host name is ASCII; write it in its xn-- form";
      return fmt::format("character '{}' is not allowed in a host name; write its address instead",
                         literal::Printable(std::string_view(&c, 1)));
    }
    if (label.front() == '-' || label.back() == '-')
      return "a part of a host name does not begin or end with a dash";
  }
  const bool hex = label.size() > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');
  if (hex || label.find_first_not_of("0123456789") == label.npos) {
    return "neither an address nor a host name; write an address as four decimal numbers, such as "
           "10.0.0.1";
  }
  return {};
}

}  // namespace portolan
