#include "common/ops/metric_builder.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace portolan {
namespace {

TEST(MetricBuilder, MetricsOfOneNameShareAFamily) {
  MetricBuilder b;
  b.Counter("a_total", "Help.", {{"x", "1"}}, 1);
  b.Gauge("g", "Help.", {}, 2);
  b.Counter("a_total", "Help.", {{"x", "2"}}, 3);
  const auto families = b.Take();
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[0].metric.size(), 2u);
  EXPECT_TRUE(b.Take().empty());
}

TEST(MetricBuilder, HostileLabelsDoNotSpoilTheScrape) {
  MetricBuilder b;
  b.Gauge("g", "Help.", {{"agent", "a\nb\xff\"c\\"}}, 1);
  const std::string text = prometheus::TextSerializer().Serialize(b.Take());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_EQ(text.find('\xff'), std::string::npos);
}

TEST(MetricBuilder, HistogramsAreCumulativeAndEndAtInfinity) {
  MetricBuilder b;
  const double bounds[] = {0.1, 1};
  const uint64_t counts[] = {5, 3, 2};
  b.Histogram("h", "Help.", {}, bounds, counts, 7.5);
  b.Histogram("empty", "Help.", {}, bounds, {}, 0);
  const std::string text = prometheus::TextSerializer().Serialize(b.Take());
  EXPECT_NE(text.find("h_bucket{le=\"0.1\"} 5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("h_bucket{le=\"1\"} 8\n"), std::string::npos) << text;
  EXPECT_NE(text.find("h_bucket{le=\"+Inf\"} 10\n"), std::string::npos) << text;
  EXPECT_NE(text.find("h_count 10\n"), std::string::npos);
  EXPECT_NE(text.find("empty_bucket{le=\"+Inf\"} 0\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace portolan
