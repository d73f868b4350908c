#include "common/ops/metric_text.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <limits>

#include "common/ops/metric_builder.h"

namespace portolan {
namespace {

std::vector<prometheus::MetricFamily> Sample() {
  MetricBuilder b;
  b.Counter("a_total", "Help of a.", {}, 12);
  b.Counter("b_total", "Help.", {{"x", "1"}, {"y", "q\"uo\\te"}}, 1790000000);
  b.Counter("b_total", "Help.", {{"x", ""}, {"y", "z"}}, 0);
  b.Gauge("g", "Help.", {{"x", "1"}}, -0.5);
  const double bounds[] = {0.25, 1};
  const uint64_t counts[] = {5, 3, 2};
  b.Histogram("h", "Help.", {{"x", "1"}}, bounds, counts, 7.5);
  b.Histogram("i", "Help.", {}, bounds, counts, 7.5);
  return b.Take();
}

TEST(MetricText, IsWhatTheLibraryWrites) {
  EXPECT_EQ(MetricText(Sample()), prometheus::TextSerializer().Serialize(Sample()));
  EXPECT_EQ(MetricText({}), "");
}

std::string Number(double value) {
  MetricBuilder b;
  b.Gauge("g", "Help.", {}, value);
  const std::string text = MetricText(b.Take());
  return text.substr(text.rfind(' ') + 1);
}

TEST(MetricText, NumbersReadAsTheyWere) {
  EXPECT_EQ(Number(0.1), "0.1\n");
  EXPECT_EQ(Number(1.0 / 3), "0.3333333333333333\n");
  EXPECT_EQ(Number(1790000000.25), "1790000000.25\n");
  EXPECT_EQ(std::strtod(Number(1e300).c_str(), nullptr), 1e300);
  EXPECT_EQ(Number(std::numeric_limits<double>::infinity()), "+Inf\n");
  EXPECT_EQ(Number(-std::numeric_limits<double>::infinity()), "-Inf\n");
  EXPECT_EQ(Number(std::numeric_limits<double>::quiet_NaN()), "NaN\n");
}

TEST(MetricText, ALineEndInALabelIsEscaped) {
  prometheus::MetricFamily family{"g", "Two\nlines.", prometheus::MetricType::Gauge, {}};
  family.metric.emplace_back();
  family.metric[0].label.push_back({"x", "a\nb"});
  EXPECT_EQ(MetricText({family}), "# HELP g Two\\nlines.\n# TYPE g gauge\ng{x=\"a\\nb\"} 0\n");
}

}  // namespace
}  // namespace portolan
