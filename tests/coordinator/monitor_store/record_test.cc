#include "coordinator/monitor_store/record.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace portolan {
namespace {

TEST(RecordChecksum, FindsEveryChangeOfOneByte) {
  for (const size_t size : {0, 1, 7, 8, 9, 40}) {
    const std::string bytes(size, 'x');
    std::set<uint64_t> sums = {RecordChecksum(bytes)};
    for (size_t at = 0; at < size; ++at) {
      for (int v = 0; v < 256; ++v) {
        std::string other = bytes;
        other[at] = static_cast<char>(v);
        if (other == bytes) continue;
        EXPECT_TRUE(sums.insert(RecordChecksum(other)).second) << size;
      }
    }
    EXPECT_TRUE(sums.insert(RecordChecksum(bytes + '\0')).second) << "zeros at the end count";
  }
}

TEST(RecordChecksum, IsTakenOffAgain) {
  EXPECT_EQ(UnsealRecord(SealRecord("")), "");
  EXPECT_EQ(UnsealRecord(SealRecord("abc")), "abc");
  EXPECT_EQ(UnsealRecord(""), std::nullopt);
  EXPECT_EQ(UnsealRecord("abcdefgh"), std::nullopt);
}

TEST(Record, DistancesBetweenAnyTwoTimesFit) {
  const std::vector<int64_t> times = {0, std::numeric_limits<int64_t>::min(),
                                      std::numeric_limits<int64_t>::max(), -1, 1};
  RecordWriter w(1);
  for (const int64_t t : times) w.PutTime(FromUnixMicros(t));
  const std::string bytes = w.Seal();
  RecordReader r(bytes, 1);
  for (const int64_t t : times) EXPECT_EQ(ToUnixMicros(r.GetTime()), t);
  EXPECT_TRUE(r.done());
}

TEST(Record, ANameThatComesAgainTakesOneByte) {
  const std::string name(kMaxRepeatedName, 'n'), long_name(kMaxRepeatedName + 1, 'l');
  RecordWriter w(1);
  w.PutName(name);
  const size_t first = w.size();
  w.PutName(name);
  EXPECT_EQ(w.size(), first + 1);
  w.PutName(long_name);
  w.PutName(long_name);
  w.PutName("");
  const std::string bytes = w.Seal();
  RecordReader r(bytes, 1);
  for (const std::string& n : {name, name, long_name, long_name, std::string()}) {
    EXPECT_EQ(r.GetName(), n);
  }
  EXPECT_TRUE(r.done());
}

// Else some bytes could stand for gigabytes.
TEST(Record, LongTextIsNotRepeated) {
  RecordWriter w(1);
  w.Varint(1);
  w.String(std::string(kMaxRepeatedName + 1, 'x'));
  const std::string name = w.Seal();
  RecordReader r(name, 1);
  EXPECT_EQ(r.GetName(), "");
  EXPECT_FALSE(r.ok());

  const TargetKey target = TargetKey::OfName(std::string(kMaxRepeatedTarget + 1, 'x'));
  const Subject first{target, 1}, second{target, 2};
  RecordWriter subjects(1);
  SubjectWriter put(subjects);
  put.Put(first, IpAddress());
  const size_t size = subjects.size();
  put.Put(second, IpAddress());
  EXPECT_EQ(subjects.size(), 2 * size - 1);
  RecordWriter same(1);
  SubjectWriter once(same);
  once.Put(first, IpAddress());
  same.Byte(3);  // the same target
  same.Varint(0);
  const std::string bytes = same.Seal();
  RecordReader in(bytes, 1);
  SubjectReader read(in);
  Subject subject;
  IpAddress evidence;
  read.Get(subject, evidence);
  EXPECT_EQ(subject, first);
  EXPECT_TRUE(in.ok());
  read.Get(subject, evidence);
  EXPECT_FALSE(in.ok());
}

TEST(Record, SubjectsThatDoNotAscendAreDamage) {
  const Subject low{TargetKey::Of(IpAddress::V4(1)), 5}, high{TargetKey::Of(IpAddress::V4(2)), 4};
  for (const bool ascending : {true, false}) {
    RecordWriter w(1);
    SubjectWriter put(w);
    put.Put(ascending ? low : high, IpAddress::V4(9));
    put.Put(ascending ? high : low, IpAddress::V4(2));
    const std::string bytes = w.Seal();
    RecordReader r(bytes, 1);
    SubjectReader read(r);
    Subject subject;
    IpAddress evidence;
    for (int i = 0; i < 2; ++i) read.Get(subject, evidence);
    EXPECT_EQ(r.done(), ascending);
  }
}

}  // namespace
}  // namespace portolan
