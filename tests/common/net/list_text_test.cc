#include "common/net/list_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace portolan {
namespace {

using Strings = std::vector<std::string>;
using namespace std::literals;

Strings Entries(std::string_view text) {
  Strings out;
  ListReader reader(text);
  for (ListReader::Entry entry; reader.Next(&entry);) {
    EXPECT_EQ(text.substr(entry.offset, entry.written.size()), entry.written);
    out.emplace_back(entry.text);
  }
  return out;
}

TEST(ListReader, BlanksCommasAndLineEndsSeparate) {
  EXPECT_EQ(Entries("a b\tc\r\nd\ve\ff"), (Strings{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(Entries("a,b, c ,d , e,"), (Strings{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(Entries(",,a,,b,,"), (Strings{"a", "b"}));
  EXPECT_EQ(Entries(""), Strings{});
  EXPECT_EQ(Entries(" ,\n, "), Strings{});
}

TEST(ListReader, CommentsEndWithTheLine) {
  EXPECT_EQ(Entries("# x\na#b,c\n#\nd # e"), (Strings{"a", "d"}));
  EXPECT_EQ(Entries("10.0.0.1 # - 10.0.0.5\n10.0.0.2"), (Strings{"10.0.0.1", "10.0.0.2"}));
}

TEST(ListReader, CommasOfOctetsBelongToTheEntry) {
  EXPECT_EQ(Entries("10.0.0.1,3-4"), (Strings{"10.0.0.1,3-4"}));
  EXPECT_EQ(Entries("10.0.0,1.5"), (Strings{"10.0.0,1.5"}));
  EXPECT_EQ(Entries("10.0.0.1,3,10.0.0.5,7,b"), (Strings{"10.0.0.1,3", "10.0.0.5,7", "b"}));
  EXPECT_EQ(Entries("10.0.0.0/24,10.0.1.*,1"), (Strings{"10.0.0.0/24", "10.0.1.*,1"}));
  EXPECT_EQ(Entries("10.0.0.1, 3"), (Strings{"10.0.0.1", "3"}));
  EXPECT_EQ(Entries("10.0.0.1:80,443"), (Strings{"10.0.0.1:80,443"}));
  EXPECT_EQ(Entries("::1,::2"), (Strings{"::1", "::2"}));
}

TEST(ListReader, BlanksOfUnicodeSeparateAndWhatIsNotSeenIsIgnored) {
  for (const char* blank :
       {"\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x83", "\xe3\x80\x80", "\xe2\x80\xa8", "\xc2\x85"}) {
    EXPECT_EQ(Entries("a"s + blank + "b" + blank), (Strings{"a", "b"})) << blank;
  }
  for (const char* unseen : {"\xe2\x80\x8b", "\xef\xbb\xbf", "\xe2\x81\xa0", "\xe2\x80\x8e"}) {
    EXPECT_EQ(Entries(unseen + "a"s + unseen + unseen + " "s + unseen + ", b" + unseen),
              (Strings{"a", "b"}));
    EXPECT_EQ(Entries("a"s + unseen + "b"), (Strings{"a"s + unseen + "b"}));
  }
}

TEST(ListReader, ADashBetweenAddressesMakesARange) {
  for (const char* text : {"10.0.0.1 - 10.0.0.5", "10.0.0.1- 10.0.0.5", "10.0.0.1 -10.0.0.5",
                           "10.0.0.1\t\xe2\x80\x93\xc2\xa0"
                           "10.0.0.5",
                           "10.0.0.1\xe2\x80\x93"
                           "10.0.0.5"}) {
    EXPECT_EQ(Entries(text), (Strings{"10.0.0.1-10.0.0.5"})) << text;
    EXPECT_EQ(Entries("a "s + text + ",b"), (Strings{"a", "10.0.0.1-10.0.0.5", "b"})) << text;
  }
  EXPECT_EQ(Entries("10.0.0.1\n- 10.0.0.5"), (Strings{"10.0.0.1", "-", "10.0.0.5"}));
  EXPECT_EQ(Entries("10.0.0.1, - 10.0.0.5"), (Strings{"10.0.0.1", "-", "10.0.0.5"}));
  EXPECT_EQ(Entries("10.0.0.1 -"), (Strings{"10.0.0.1", "-"}));
  EXPECT_EQ(Entries("10.0.0.1 - a"), (Strings{"10.0.0.1", "-", "a"}));
  EXPECT_EQ(Entries("a - 10.0.0.1"), (Strings{"a", "-", "10.0.0.1"}));
  EXPECT_EQ(Entries("10.0.0.250- a"), (Strings{"10.0.0.250-", "a"}));
  EXPECT_EQ(Entries("10.0.0.1 -5"), (Strings{"10.0.0.1", "-5"}));
  EXPECT_EQ(Entries("web\xe2\x80\x93"
                    "1.example"),
            (Strings{"web-1.example"}));
}

TEST(DecodeText, ByteOrderMarksSayTheEncoding) {
  EXPECT_EQ(DecodeText("\xef\xbb\xbf"
                       "a\n"),
            "a\n");
  EXPECT_EQ(DecodeText("\xff\xfe"
                       "a\0\n\0"s),
            "a\n");
  EXPECT_EQ(DecodeText("\xfe\xff\0a\0\n"s), "a\n");
  EXPECT_EQ(DecodeText("\xff\xfe\xfc\0"s), "\xc3\xbc");
  EXPECT_EQ(DecodeText("\xff\xfe\x3d\xd8\x00\xde"s), "\xf0\x9f\x98\x80");
  EXPECT_EQ(DecodeText("\xff\xfe\x00\xde"
                       "a"s),
            "\xef\xbf\xbd\xef\xbf\xbd");  // half characters
  EXPECT_EQ(DecodeText("plain"), "plain");
  EXPECT_EQ(DecodeText("\xff\xfe"), "");
}

TEST(PlaceOf, CountsLinesAndCharacters) {
  const std::string text =
      "a\nb\xc3\xbc"
      "c\n";
  EXPECT_EQ(PlaceOf(text, 0).line, 1u);
  EXPECT_EQ(PlaceOf(text, 2).line, 2u);
  EXPECT_EQ(PlaceOf(text, 2).column, 1u);
  EXPECT_EQ(PlaceOf(text, 5).column, 3u);
}

TEST(CheckCharacters, NamesTheCodePointAndWhereItStands) {
  const auto check = [](std::string_view entry, size_t at, std::string_view begins) {
    size_t offset = 99;
    const std::string problem = CheckCharacters(entry, &offset);
    EXPECT_TRUE(problem.starts_with(begins)) << problem;
    EXPECT_EQ(offset, at) << problem;
  };
  check(
      "\xe2\x80\x9c"
      "10.0.0.1\xe2\x80\x9d",
      0, "U+201C is a quotation mark");
  check(
      "10.0.0.1\xe2\x80\x94"
      "10.0.0.2",
      8, "U+2014 is a typographic dash; write -");
  check("10.0\xe2\x80\x8b.0.1", 4, "U+200B, which is not seen");
  check(
      "a\xef\xbc\x8e"
      "b",
      1, "U+FF0E is not part");
  check("\xf0\x9f\x98\x80", 0, "U+1F600");
  check(
      "b\xfc"
      "cher",
      1, "byte 0xFC is not UTF-8");
  check("a\xc0\x80", 1, "byte 0xC0 is not UTF-8");
  check("a\xed\xa0\x80", 1, "byte 0xED is not UTF-8");
  check("a\xe2\x80", 1, "byte 0xE2 is not UTF-8");
  check("1\0002"sv, 1, "U+0000 is not text");
  check("a\x1b[31m", 1, "U+001B is a control character");
  check("\"a\"", 0, "U+0022 is a quotation mark");
  size_t offset;
  EXPECT_EQ(CheckCharacters("10.0.0.1-10.0.0.9", &offset), "");
  EXPECT_EQ(CheckCharacters("b\xc3\xbc"
                            "cher.example",
                            &offset),
            "");  // letters: CheckHostName
  EXPECT_EQ(CheckCharacters("\xe4\xbe\x8b.example", &offset), "");
}

// Joining and looking ahead must not read a list again and again.
TEST(ListReader, IsLinearInTheText) {
  for (const char* piece : {"1,", "1.1.1.1 - ", "1.1.1.1- ", "- ", ", ", "\xe2\x80\x8b", "1- 1,"}) {
    std::string text;
    while (text.size() < (1u << 20)) text += piece;
    ListReader reader(text);
    size_t bytes = 0;
    for (ListReader::Entry entry; reader.Next(&entry);) bytes += entry.written.size();
    EXPECT_LE(bytes, text.size());
  }
}

}  // namespace
}  // namespace portolan
