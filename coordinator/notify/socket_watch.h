#pragma once

#include <cstdint>

// What the HTTP library does not offer for the socket of a request in flight.
namespace portolan {

// Bytes that the peer has sent and we have acknowledged; 0 where the kernel does not say.
uint64_t SocketReceivedBytes(int fd);
// Wakes whoever connects, reads or writes on it, with an error.
void AbortSocket(int fd);

}  // namespace portolan
