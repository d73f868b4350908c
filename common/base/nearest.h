#pragma once

#include <string_view>
#include <vector>

namespace portolan {

// Returns the one of `known` that somebody who wrote `text` most likely meant, or "" if none is
// near. Compares without case; a transposition counts as one mistake, and a text that begins with
// the other is near. `text` of more than 60 bytes is near nothing.
std::string_view Nearest(std::string_view text, const std::vector<std::string_view>& known);

}  // namespace portolan
