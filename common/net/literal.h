#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/ip_address.h"
#include "common/net/ip_set.h"

// The grammar of address literals, for the parsers of this folder. Nothing here allocates on
// success: lists of a million addresses pass through.
namespace portolan::literal {

// Why a text was refused, and the remedy, without the text itself (the caller names it in its own
// way). Empty: it was accepted.
using Problem = std::string;

// Exactly four decimal octets without leading zeros (which other programs read as octal).
bool ParseV4(std::string_view text, uint32_t* out);
// RFC 4291 text without brackets and zone id.
bool ParseV6(std::string_view text, uint128* out);

// Decimal digits only, at most `max`; no sign, no blank. Leading zeros are fine.
bool ParseNumber(std::string_view text, uint32_t max, uint32_t* out);

// One literal, IPv6 perhaps in brackets; IPv4-mapped becomes IPv4.
Problem ParseAddress(std::string_view text, IpAddress* out);
// ADDRESS/LENGTH, or ADDRESS/MASK as in 10.0.0.0/255.255.255.0. An IPv4-mapped network of at least
// /96 becomes the IPv4 network.
Problem ParseNetwork(std::string_view text, bool strict_host_bits, IpRange* out);
// ADDRESS-ADDRESS, both included. IPv4 or IPv6.
Problem ParseAddressRange(std::string_view text, IpRange* out);

bool IsDigit(char c);
// "a" cut to 80 characters and made printable, so that hostile input cannot spoil a terminal or a
// log.
std::string Printable(std::string_view text);

}  // namespace portolan::literal
