#include "common/dns/dns_message.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/dns/zone.h"

namespace portolan {
namespace {

// A question as c-ares writes it.
std::string Question(const std::string& name, DnsType type) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  for (size_t at = 0; at < name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    out += static_cast<char>(dot - at);
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  out += '\0';
  out += std::string("\0", 1) + static_cast<char>(type) + std::string("\0\1", 2);
  return out;
}

std::string Answer(const std::string& name, DnsType type, const DnsAction& action) {
  const std::string question = Question(name, type);
  DnsQuestion asked;
  EXPECT_TRUE(ReadDnsQuestion(question, &asked));
  return WriteDnsAnswer(question, asked, action, false);
}

std::string ZoneAnswer(const std::string& name, DnsType type) {
  return Answer(name, type, DnsZone().Find(name, type));
}

TEST(DnsMessage, ReadsAddressesOfBothFamilies) {
  const auto v4 = ParseDnsReply(ZoneAnswer("a.test", DnsType::kA), "a.test", DnsType::kA);
  ASSERT_TRUE(v4.ok()) << v4.status();
  ASSERT_EQ(v4->addresses.size(), 1u);
  EXPECT_FALSE(v4->addresses[0].is_v6());
  const auto v6 = ParseDnsReply(ZoneAnswer("a.test", DnsType::kAaaa), "A.Test.", DnsType::kAaaa);
  ASSERT_TRUE(v6.ok()) << v6.status();
  ASSERT_EQ(v6->addresses.size(), 1u);
  EXPECT_TRUE(v6->addresses[0].is_v6());
}

TEST(DnsMessage, FollowsAliases) {
  const auto reply =
      ParseDnsReply(ZoneAnswer("a.alias3.test", DnsType::kA), "a.alias3.test", DnsType::kA);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->addresses.size(), 1u);
  EXPECT_EQ(reply->alias_of, "3.a.alias3.test");
}

TEST(DnsMessage, StopsInALoopOfAliases) {
  DnsAction action;
  action.aliases = {"b.test", "a.test"};
  const auto reply = ParseDnsReply(Answer("a.test", DnsType::kA, action), "a.test", DnsType::kA);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->addresses.empty());
}

TEST(DnsMessage, ReadsCodes) {
  const auto gone = ParseDnsReply(ZoneAnswer("nx.test", DnsType::kA), "nx.test", DnsType::kA);
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->code, kDnsNxDomain);
  EXPECT_EQ(DnsCodeName(kDnsServFail), "SERVFAIL");
  EXPECT_EQ(DnsCodeName(11), "response code 11");
}

TEST(DnsMessage, LeavesOutRecordsOfOtherNames) {
  const auto reply =
      ParseDnsReply(ZoneAnswer("otherowner.test", DnsType::kA), "otherowner.test", DnsType::kA);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->addresses.empty());
}

TEST(DnsMessage, LeavesOutRecordsOfAnotherType) {
  // The server answers A to a question for AAAA.
  const auto reply = ParseDnsReply(ZoneAnswer("a.test", DnsType::kA), "a.test", DnsType::kAaaa);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->addresses.empty());
}

TEST(DnsMessage, MappedAddressesAreIpv4) {
  DnsAction action;
  action.addresses = {IpAddress::V6(static_cast<uint128>(0xffff) << 32 | 0xc6120001u)};
  const auto reply =
      ParseDnsReply(Answer("a.test", DnsType::kAaaa, action), "a.test", DnsType::kAaaa);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->addresses.at(0).ToString(), "198.18.0.1");
}

TEST(DnsMessage, RefusesWhatCannotBeRead) {
  for (const std::string name : {"cutoff.test", "loop.test", "garbage.test"}) {
    EXPECT_FALSE(ParseDnsReply(ZoneAnswer(name, DnsType::kA), name, DnsType::kA).ok()) << name;
  }
  EXPECT_FALSE(ParseDnsReply("", "a.test", DnsType::kA).ok());
  EXPECT_FALSE(ParseDnsReply(Question("a.test", DnsType::kA), "a.test", DnsType::kA).ok());
}

TEST(DnsMessage, EveryPrefixAndEveryChangedByteIsReadOrRefused) {
  const std::string whole = ZoneAnswer("a.alias3.many40.test", DnsType::kAaaa);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseDnsReply(whole.substr(0, size), "a.alias3.many40.test", DnsType::kAaaa).ok())
        << size;
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = whole;
    for (int n = 0; n < 4; ++n) changed[random() % changed.size()] = static_cast<char>(random());
    const auto reply = ParseDnsReply(changed, "a.alias3.many40.test", DnsType::kAaaa);
    if (!reply.ok()) continue;
    EXPECT_LE(reply->addresses.size(), whole.size() / 16);
  }
}

}  // namespace
}  // namespace portolan
