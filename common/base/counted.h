#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Numbers in sentences.
namespace portolan {

// 65,535.
std::string Grouped(uint64_t n);
// "1 address", "0 addresses", "65,535 addresses": `one` for exactly one, else `many`.
std::string Counted(uint64_t n, std::string_view one, std::string_view many);

}  // namespace portolan
