#include "coordinator/notify/socket_watch.h"

#include <linux/tcp.h>  // glibc's own header has an older tcp_info, and cannot be included beside it
#include <netinet/in.h>
#include <sys/socket.h>

namespace portolan {

uint64_t SocketReceivedBytes(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

void AbortSocket(int fd) {
  // Closing it then resets the connection. A peer that has more to say would otherwise keep its
  // half for a minute. Errors: there is no connection any more, which is what was wanted.
  const linger at_once = {1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  (void)shutdown(fd, SHUT_RDWR);
}

}  // namespace portolan
