#pragma once

#include <string>
#include <string_view>

#include "common/net/literal.h"

namespace portolan {

// The spelling under which names are compared: ASCII lower case, without a final dot. Two names
// mean the same host exactly when their normalised spellings are equal (RFC 4343). Does not check
// the name.
std::string NormalisedName(std::string_view name);

// Checks that a text can be looked up as a host name: labels of letters, digits, dashes and
// underscores (which RFC 1123 does not know, but the DNS serves), at most 63 bytes each and 253 in
// all, perhaps with a final dot. A name whose last label could be read as a number is refused,
// because resolvers take "127.1" and "0x7f.1" for addresses. The problem says what is wrong and
// the remedy.
literal::Problem CheckHostName(std::string_view name);

}  // namespace portolan
