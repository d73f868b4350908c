#include "common/dns/server_link.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace portolan {
namespace {

constexpr int kReceiveBuffer = 1 << 20;
constexpr int kEdnsBytes = 1232;  // what passes everywhere in one piece (DNS flag day 2020)

bool LibraryIsReady() {
  static const bool ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return ready;
}

// c-ares sends on a connected socket, and takes an error of send() for one of this question. But
// ECONNREFUSED is the answer to an earlier one, which send() takes away: that question would wait
// in vain. So it is sent again, and the refusal of this one ends all of them.
ares_ssize_t Send(ares_socket_t fd, const iovec* parts, int count, void* /*data*/) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);  // the kernel only reads it
  message.msg_iovlen = static_cast<size_t>(count);
  const auto send_once = [&] {
    return count == 1 ? send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL)
                      : sendmsg(fd, &message, MSG_NOSIGNAL);
  };
  const ssize_t sent = send_once();
  return sent < 0 && errno == ECONNREFUSED ? send_once() : sent;
}

// With functions of ours c-ares sets no options: here they are.
ares_socket_t Open(int family, int type, int protocol, void* /*data*/) {
  const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd >= 0) {
    // The kernel cuts it to its own limit; with less, a burst of answers is lost and asked again.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  return fd;
}

const ares_socket_functions kSocketFunctions = {
    &Open, [](ares_socket_t fd, void*) { return close(fd); },
    [](ares_socket_t fd, const sockaddr* to, ares_socklen_t size, void*) {
      return connect(fd, to, size);
    },
    [](ares_socket_t fd, void* bytes, size_t size, int flags, sockaddr* from,
       ares_socklen_t* from_size,
       void*) -> ares_ssize_t { return recvfrom(fd, bytes, size, flags, from, from_size); },
    &Send};

}  // namespace

// One channel. Without one (out of memory or descriptors) its questions end as unreachable.
class ServerLane {
 public:
  explicit ServerLane(ServerLink& owner) : link(owner) {
    if (!LibraryIsReady()) return;
    std::array<char, 2> lookups{'b', '\0'};  // the DNS only; who asks has read the hosts file
    std::string no_file = "/dev/null";       // nor does c-ares read resolv.conf
    ares_options options{};
    // Every response code comes to us, which c-ares would take for silence.
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP |
                    (link.config_.use_tcp ? ARES_FLAG_USEVC : 0) |
                    (link.config_.edns ? ARES_FLAG_EDNS : 0);
    options.ednspsz = kEdnsBytes;
    options.timeout = static_cast<int>(
        std::chrono::ceil<std::chrono::milliseconds>(link.config_.timeout).count());
    options.tries = 1;
    options.ndots = 1;
    options.lookups = lookups.data();
    options.resolvconf_path = no_file.data();
    options.sock_state_cb_data = this;
    options.sock_state_cb = [](void* data, ares_socket_t fd, int readable, int writable) {
      auto* lane = static_cast<ServerLane*>(data);
      lane->link.poll_.Watch(fd, readable != 0, writable != 0, lane->channel);
    };
    if (ares_init_options(&channel, &options,
                          ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
                              ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF) != ARES_SUCCESS) {
      channel = nullptr;
      return;
    }
    ares_set_socket_functions(channel, &kSocketFunctions, nullptr);
    ares_addr_port_node node{};
    const NameServer& server = link.server_;
    const std::string bytes = server.address.ToBytes();
    node.family = server.address.is_v6() ? AF_INET6 : AF_INET;
    std::memcpy(&node.addr, bytes.data(), bytes.size());
    node.udp_port = node.tcp_port = server.port;
    if (ares_set_servers_ports(channel, &node) == ARES_SUCCESS) return;
    ares_destroy(channel);
    channel = nullptr;
  }
  ~ServerLane() {
    if (channel != nullptr) ares_destroy(channel);
  }
  ServerLane(const ServerLane&) = delete;
  ServerLane& operator=(const ServerLane&) = delete;

  ServerLink& link;
  ares_channel channel = nullptr;
  size_t open = 0;
};

ServerLink::ServerLink(const NameServer& server, const ResolverConfig& config, SocketPoll& poll)
    : server_(server), config_(config), poll_(poll), lanes_(kLanes) {}

ServerLink::~ServerLink() = default;

void ServerLink::Ask(const std::string& name, uint16_t type, ServerQuestion& question) {
  if (asked_on_lane_ == kQuestionsPerLane) {
    at_ = (at_ + 1) % kLanes;
    asked_on_lane_ = 0;
  }
  ++asked_on_lane_;
  if (lanes_[at_] == nullptr) lanes_[at_] = std::make_unique<ServerLane>(*this);
  ServerLane& lane = *lanes_[at_];
  if (lane.channel == nullptr) {
    lanes_[at_] = nullptr;  // the next question may have more luck
    question.Ended(ServerQuestion::End::kUnreachable, {});
    return;
  }
  ++lane.open;
  ++open_;
  question.lane_ = &lane;
  ares_query(lane.channel, name.c_str(), ns_c_in, type, &ServerLink::OnEnd, &question);
}

void ServerLink::OnEnd(void* arg, int status, int /*timeouts*/, unsigned char* message, int size) {
  using End = ServerQuestion::End;
  auto* question = static_cast<ServerQuestion*>(arg);
  --question->lane_->open;
  --question->lane_->link.open_;
  if (message != nullptr) {
    question->Ended(End::kReply, {reinterpret_cast<char*>(message), static_cast<size_t>(size)});
    return;
  }
  switch (status) {
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      question->Ended(End::kShutDown, {});
      return;
    case ARES_ETIMEOUT:
      question->Ended(End::kNoAnswer, {});
      return;
    case ARES_EBADNAME:
    case ARES_ENOTFOUND:  // not asked for at all: .onion (RFC 7686)
      question->Ended(End::kCannotAsk, {});
      return;
    default:
      question->Ended(End::kUnreachable, {});
  }
}

void ServerLink::CheckTimeouts() {
  for (const std::unique_ptr<ServerLane>& lane : lanes_) {
    if (lane != nullptr && lane->open > 0) {
      ares_process_fd(lane->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
  }
}

}  // namespace portolan
