#pragma once

#include <string>
#include <string_view>

namespace portolan {

// `text` cut to 80 bytes, with everything but printable ASCII as \xNN: what a user wrote, for a
// message that goes to a terminal or a log.
std::string Escaped(std::string_view text);

}  // namespace portolan
