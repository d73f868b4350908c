#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/dns/resolver_config.h"
#include "common/dns/socket_poll.h"

namespace portolan {

class ServerLane;

// A question that a name server was asked. Not deleted before Ended() was called.
class ServerQuestion {
 public:
  enum class End : uint8_t {
    kReply,        // `message` is what came
    kNoAnswer,     // within the time limit
    kUnreachable,  // nobody listens there, or there is no way to it
    kCannotAsk,    // the name is none that can be asked for
    kShutDown,     // the link is destroyed
  };
  virtual ~ServerQuestion() = default;
  // Called once, on the link's thread, perhaps inside of Ask(). Must not ask, nor destroy the link.
  // `message` is valid during the call.
  virtual void Ended(End end, std::string_view message) = 0;

 private:
  friend class ServerLink;
  ServerLane* lane_ = nullptr;
};

// Questions to one name server by c-ares, over UDP, and over TCP for what does not fit. Each is
// sent once: whoever asks decides what follows. Not thread-safe; owned by the thread that waits
// with the SocketPoll, which must outlive this.
//
// Questions go through several channels in turn, each with a socket of its own that c-ares closes
// when none of its questions is open: so the source port, which with the question's id is all that
// keeps out forged answers, changes every kQuestionsPerLane questions.
class ServerLink {
 public:
  static constexpr size_t kLanes = 16;
  static constexpr size_t kQuestionsPerLane = 128;
  static constexpr uint16_t kTypeNs = 2;

  ServerLink(const NameServer& server, const ResolverConfig& config, SocketPoll& poll);
  ~ServerLink();  // Ends what is open, with kShutDown.
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;

  // `type` is a record type of the DNS. A final dot changes nothing: the name is taken as it is.
  void Ask(const std::string& name, uint16_t type, ServerQuestion& question);
  // Ends questions whose time is up. To be called every few milliseconds.
  void CheckTimeouts();

  const NameServer& server() const { return server_; }
  size_t open_questions() const { return open_; }

 private:
  friend class ServerLane;
  static void OnEnd(void* arg, int status, int timeouts, unsigned char* message, int size);

  const NameServer server_;
  const ResolverConfig& config_;
  SocketPoll& poll_;
  std::vector<std::unique_ptr<ServerLane>> lanes_;
  size_t at_ = 0, asked_on_lane_ = 0, open_ = 0;
};

}  // namespace portolan
