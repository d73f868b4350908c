#include <gtest/gtest.h>

#include <random>

#include "common/base/status.h"
#include "common/net/port_set.h"
#include "common/net/service_catalogue.h"

namespace portolan {
namespace {

std::string Ports(std::string_view text) {
  const auto ports = ParsePorts(text);
  return ports.ok() ? ports->ToString() : "error: " + std::string(Message(ports.status()));
}

TEST(ParsePorts, UnderstandsEveryForm) {
  EXPECT_EQ(Ports("22"), "22");
  EXPECT_EQ(Ports("22,80,8000-8100"), "22,80,8000-8100");
  EXPECT_EQ(Ports("80,22,22,81"), "22,80-81");
  EXPECT_EQ(Ports("-"), "1-65535");
  EXPECT_EQ(Ports("1-"), "1-65535");
  EXPECT_EQ(Ports("60000-"), "60000-65535");
  EXPECT_EQ(Ports("-100"), "1-100");
  EXPECT_EQ(Ports("well-known"), "1-1023");
  EXPECT_EQ(Ports("registered"), "1024-49151");
  EXPECT_EQ(Ports("dynamic"), "49152-65535");
  EXPECT_EQ(Ports(" 22 ,\t80 , 90 - 92 \n"), "22,80,90-92");
  EXPECT_EQ(Ports("00022"), "22");
  EXPECT_EQ(Ports("65535"), "65535");
}

TEST(ParsePorts, PortZeroOnlyWhenWritten) {
  EXPECT_EQ(Ports("0"), "0");
  EXPECT_EQ(Ports("0-3"), "0-3");
  EXPECT_EQ(Ports("0-"), "0-65535");
  EXPECT_EQ(Ports("-,22").substr(0, 2), "1-");
}

TEST(ParsePorts, NamesAndWildcardsComeFromTheCatalogue) {
  EXPECT_EQ(Ports("ssh"), "22");
  EXPECT_EQ(Ports("SSH,Telnet"), "22-23");
  EXPECT_EQ(Ports("ms?l*").substr(0, 5), "error");
  const auto http = ParsePorts("http*");
  ASSERT_TRUE(http.ok());
  EXPECT_TRUE(http->Contains(80));
  EXPECT_TRUE(http->Contains(443));
  EXPECT_FALSE(http->Contains(22));
  EXPECT_EQ(Ports("ss?"), "22");
  EXPECT_EQ(ParsePorts("*")->size(), ServiceCatalogue().size());
  EXPECT_EQ(Ports("*****s*s*h****"), Ports("*s*s*h*"));
  EXPECT_EQ(Ports("top-1"), TopPorts(1)->ToString());
}

TEST(ParsePorts, ErrorsNameTheItemAndTheRemedy) {
  EXPECT_EQ(Ports("80-70"), "error: port range \"80-70\": first port is above last");
  EXPECT_EQ(Ports("22,80-70,x"), "error: port range \"80-70\": first port is above last");
  EXPECT_EQ(Ports("65536"), "error: port \"65536\": ports end at 65535");
  EXPECT_EQ(Ports("1-65536"), "error: port range \"1-65536\": ports end at 65535");
  EXPECT_EQ(Ports("99999999999999999999"),
            "error: port \"99999999999999999999\": ports end at 65535");
  EXPECT_EQ(Ports(""), "error: ports \"\": empty; write such as 22,80,8000-8100");
  EXPECT_EQ(Ports(" "), "error: ports \" \": empty; write such as 22,80,8000-8100");
  EXPECT_EQ(Ports("22,,80"), "error: ports \"22,,80\": an item is empty; remove the extra comma");
  EXPECT_EQ(Ports(",22"), "error: ports \",22\": an item is empty; remove the extra comma");
  EXPECT_EQ(Ports("22,"), "error: ports \"22,\": an item is empty; remove the extra comma");
  EXPECT_EQ(Ports("22 80"), "error: ports \"22 80\": separate ports by commas");
  EXPECT_EQ(Ports("1-2-3"), "error: port range \"1-2-3\": more than one dash; write FIRST-LAST");
  EXPECT_EQ(Ports("--"), "error: port range \"--\": more than one dash; write FIRST-LAST");
  EXPECT_EQ(Ports("shh"),
            "error: port \"shh\": no service of the catalogue has that name; write its port "
            "number; did you mean ssh?");
  EXPECT_EQ(
      Ports("qqqqqqqq"),
      "error: port \"qqqqqqqq\": no service of the catalogue has that name; write its port number");
  EXPECT_EQ(Ports("zz*"),
            "error: port \"zz*\": no service of the catalogue matches; write a port number or "
            "another pattern");
  EXPECT_EQ(Ports("T:80"),
            "error: port \"T:80\": protocol prefixes are not understood, all ports are TCP; write "
            "the port alone");
  EXPECT_EQ(
      Ports("+80"),
      "error: port \"+80\": no service of the catalogue has that name; write its port number");
  EXPECT_EQ(Ports("80;81"),
            "error: port \"80;81\": not a port, a range or a service name; write such as "
            "22,80,8000-8100,http*");
}

TEST(ParsePorts, CommonNamesWorkBesideTheOfficialOnes) {
  EXPECT_EQ(Ports("rdp"), "3389");
  EXPECT_EQ(Ports("RDP,smb,dns"), "53,445,3389");
  EXPECT_TRUE(ParsePorts("mssql,postgres,mongo,k8s,kubernetes,winrm,smtps,rpcbind").ok());
}

TEST(ParsePorts, HintsFindNamesCutShort) {
  EXPECT_NE(Ports("telnett").find("did you mean telnet"), std::string::npos);
  EXPECT_NE(Ports("microsoft-d").find("did you mean microsoft-ds"), std::string::npos);
}

TEST(ParsePorts, TopPortsAreTheBestRanked) {
  const int size = static_cast<int>(ServiceCatalogue().size());
  for (const int n : {1, 10, 100, size}) {
    const auto top = TopPorts(n);
    ASSERT_TRUE(top.ok());
    EXPECT_EQ(top->size(), static_cast<uint32_t>(n));
    for (const Service& s : ServiceCatalogue())
      EXPECT_EQ(top->Contains(s.port), s.rank <= n) << s.port;
  }
  EXPECT_FALSE(TopPorts(0).ok());
  EXPECT_FALSE(TopPorts(-1).ok());
  EXPECT_FALSE(TopPorts(size + 1).ok());
  EXPECT_FALSE(ParsePorts("top-0").ok());
  EXPECT_FALSE(ParsePorts("top-99999").ok());
  EXPECT_FALSE(ParsePorts("top-").ok());
}

TEST(ParsePorts, HostileInputEndsQuicklyAndPrintsSafely) {
  EXPECT_FALSE(ParsePorts(std::string(2'000'000, '1')).ok());
  EXPECT_FALSE(ParsePorts(std::string(1'000'000, '*')).ok());
  EXPECT_FALSE(ParsePorts(std::string(1'000'000, '-')).ok());
  EXPECT_FALSE(ParsePorts(std::string(1'000'000, ',')).ok());
  std::string stars = "*";
  for (int i = 0; i < 200; ++i) stars += ",*";
  EXPECT_EQ(ParsePorts(stars)->size(), ServiceCatalogue().size());
  for (int i = 0; i < 200'000; ++i) stars += ",*";
  EXPECT_FALSE(ParsePorts(stars).ok());
  const auto escape = ParsePorts("\x1b[2J\xff\n22");
  EXPECT_FALSE(escape.ok());
  EXPECT_EQ(Message(escape.status()).find('\x1b'), std::string_view::npos);
}

TEST(ParsePorts, PrintedSetParsesBackToItself) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<PortRange> ranges;
    for (int n = 1 + static_cast<int>(random() % 10); n > 0; --n) {
      const auto a = static_cast<uint16_t>(random());
      const auto b = static_cast<uint16_t>(random() % 2 ? a : random());
      ranges.push_back({std::min(a, b), std::max(a, b)});
    }
    const PortSet set = PortSet::Of(std::move(ranges));
    const auto parsed = ParsePorts(set.ToString());
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, set);
  }
}

}  // namespace
}  // namespace portolan
