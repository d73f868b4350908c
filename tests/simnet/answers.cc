#include "tests/simnet/answers.h"

#include <iterator>

namespace portolan::simnet {
namespace {

constexpr Symbol kSilent = {State::kFiltered, Reason::kNoResponse};
constexpr Symbol kAdmin = {State::kFiltered, Reason::kAdminProhibited};
constexpr Symbol kPort = {State::kFiltered, Reason::kPortUnreachable};
constexpr Symbol kProto = {State::kFiltered, Reason::kProtoUnreachable};
constexpr Symbol kHost = {State::kUnreachable, Reason::kHostUnreachable};
constexpr Symbol kNet = {State::kUnreachable, Reason::kNetUnreachable};
constexpr Symbol kTtl = {State::kUnreachable, Reason::kTtlExceeded};

constexpr ScriptedAnswer Icmp(std::string_view name, uint8_t type, uint8_t code, Symbol meaning) {
  ScriptedAnswer out;
  out.name = name;
  out.families = Families::kV4;
  out.behaviour.answer = Answer::kIcmp;
  out.behaviour.icmp = {type, code};
  out.behaviour.icmp_meaning = meaning;
  return out;
}
constexpr ScriptedAnswer Icmp6(std::string_view name, uint8_t type, uint8_t code, Symbol meaning) {
  ScriptedAnswer out = Icmp(name, type, code, meaning);
  out.families = Families::kV6;
  return out;
}
constexpr ScriptedAnswer Tcp(std::string_view name, Answer answer, After after = After::kServe,
                             uint16_t after_ms = 0) {
  ScriptedAnswer out;
  out.name = name;
  out.behaviour.answer = answer;
  out.behaviour.after = after;
  out.behaviour.after_ms = after_ms;
  return out;
}
constexpr ScriptedAnswer Slow(std::string_view name) {
  ScriptedAnswer out = Tcp(name, Answer::kSynAck);
  out.behaviour.slow = true;
  return out;
}
constexpr ScriptedAnswer SecondSyn(std::string_view name) {
  ScriptedAnswer out = Tcp(name, Answer::kSynAck);
  out.behaviour.second_syn = true;
  return out;
}

// The meanings are written down here on their own: this is the truth that the scanner is held to.
constexpr ScriptedAnswer kAnswers[] = {
    Tcp("SYN-ACK", Answer::kSynAck),
    Slow("late SYN-ACK"),
    SecondSyn("SYN-ACK to the second SYN"),
    Tcp("FIN after the handshake", Answer::kSynAck, After::kClose),
    Tcp("data after the handshake", Answer::kSynAck, After::kBanner),
    Tcp("SYN-ACK with window 0", Answer::kSynAck, After::kTarpit),
    Tcp("RST after the handshake", Answer::kSynAck, After::kReset),
    Tcp("RST 50 ms after the handshake", Answer::kSynAck, After::kReset, 50),
    Tcp("RST", Answer::kReset),
    Tcp("silence", Answer::kSilence),
    Icmp("ICMP 3/0", 3, 0, kNet),
    Icmp("ICMP 3/1", 3, 1, kHost),
    Icmp("ICMP 3/2", 3, 2, kProto),
    Icmp("ICMP 3/3", 3, 3, kPort),
    Icmp("ICMP 3/4", 3, 4, kSilent),
    Icmp("ICMP 3/5", 3, 5, kNet),
    Icmp("ICMP 3/6", 3, 6, kNet),
    Icmp("ICMP 3/7", 3, 7, kHost),
    Icmp("ICMP 3/8", 3, 8, kHost),
    Icmp("ICMP 3/9", 3, 9, kAdmin),
    Icmp("ICMP 3/10", 3, 10, kAdmin),
    Icmp("ICMP 3/11", 3, 11, kNet),
    Icmp("ICMP 3/12", 3, 12, kHost),
    Icmp("ICMP 3/13", 3, 13, kAdmin),
    Icmp("ICMP 3/14", 3, 14, kAdmin),
    Icmp("ICMP 3/15", 3, 15, kAdmin),
    Icmp("ICMP 4/0", 4, 0, kSilent),
    Icmp("ICMP 11/0", 11, 0, kTtl),
    Icmp("ICMP 11/1", 11, 1, kSilent),
    Icmp("ICMP 12/0", 12, 0, kHost),
    Icmp6("ICMPv6 1/0", 1, 0, kNet),
    Icmp6("ICMPv6 1/1", 1, 1, kAdmin),
    Icmp6("ICMPv6 1/2", 1, 2, kNet),
    Icmp6("ICMPv6 1/3", 1, 3, kHost),
    Icmp6("ICMPv6 1/4", 1, 4, kPort),
    Icmp6("ICMPv6 1/5", 1, 5, kAdmin),
    Icmp6("ICMPv6 1/6", 1, 6, kAdmin),
    Icmp6("ICMPv6 1/7", 1, 7, kNet),
    Icmp6("ICMPv6 2/0", 2, 0, kSilent),
    Icmp6("ICMPv6 3/0", 3, 0, kTtl),
    Icmp6("ICMPv6 3/1", 3, 1, kTtl),
    Icmp6("ICMPv6 4/1", 4, 1, kHost),
};

}  // namespace

std::span<const ScriptedAnswer> ScriptedAnswers() { return kAnswers; }

PortBehaviour ScriptedPort(uint16_t port) {
  const uint32_t index = static_cast<uint32_t>(port) - kFirstAnswerPort;
  if (port < kFirstAnswerPort || index >= std::size(kAnswers))
    return Tcp("", Answer::kReset).behaviour;
  return kAnswers[index].behaviour;
}

}  // namespace portolan::simnet
