#pragma once

#include <string>
#include <string_view>

namespace portolan {

// 32 hexadecimal digits that equal texts share, in all versions of the program. Not cryptographic:
// who must be sure compares the texts.
std::string TextDigest(std::string_view text);

}  // namespace portolan
