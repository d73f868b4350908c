#pragma once

#include "common/base/bytes.h"
#include "common/net/ip_address.h"
#include "common/net/ip_set.h"
#include "common/net/port_set.h"

// How addresses and sets of them are written inside stored records. A reader of damaged bytes fails
// (ByteReader::ok) and gives an empty value; it never allocates more than the bytes can hold.
namespace portolan {

// 4 or 16 bytes after their number.
void PutAddress(ByteWriter& w, const IpAddress& a);
IpAddress GetAddress(ByteReader& r);

// Ranges ascend and all of IPv4 comes first: for each family the number of ranges, then distance to
// the one before and length, less one.
void PutIpSet(ByteWriter& w, const IpSet& set);
IpSet GetIpSet(ByteReader& r);

void PutPortSet(ByteWriter& w, const PortSet& set);
PortSet GetPortSet(ByteReader& r);

}  // namespace portolan
