#include "common/ops/log_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace portolan {
namespace {

const WallTime kTime = FromUnixMicros(1'767'323'045'678'901);

TEST(LogFormat, TextIsOneLineWithItsFields) {
  EXPECT_EQ(
      FormatLogText(kTime, LogLevel::kInfo, "lease expired", {{"agent", "a1"}, {"token", "17"}}),
      "2026-01-02T03:04:05.678Z info lease expired agent=a1 token=17");
}

TEST(LogFormat, ValuesThatCouldBeMisreadAreQuoted) {
  const auto value = [](std::string v) {
    const std::string line = FormatLogText(kTime, LogLevel::kError, "e", {{"k", std::move(v)}});
    return line.substr(line.find("k=") + 2);
  };
  EXPECT_EQ(value(""), "\"\"");
  EXPECT_EQ(value("a b"), "\"a b\"");
  EXPECT_EQ(value("a=b"), "\"a=b\"");
  EXPECT_EQ(value("a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(value("a\\b"), "\"a\\\\b\"");
  EXPECT_EQ(value("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(value("\x1b[2J"), "\"\\x1b[2J\"");
  EXPECT_EQ(value("\xff"), "\"\\xff\"");
  EXPECT_EQ(value("\xc2\x9b"), "\"\\u009b\"");
  EXPECT_EQ(value("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
}

TEST(LogFormat, WhateverAPeerSendsStaysOnOneLine) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string v(random() % 30, ' ');
    for (char& c : v) c = static_cast<char>(random());
    const std::string text = FormatLogText(kTime, LogLevel::kInfo, "e", {{"k", v}});
    const std::string json = FormatLogJson(kTime, LogLevel::kInfo, "e", {{"k", v}});
    for (const std::string& line : {text, json}) {
      for (const char c : line) EXPECT_FALSE(static_cast<unsigned char>(c) < ' ') << line;
    }
    EXPECT_FALSE(nlohmann::json::parse(json, nullptr, false).is_discarded()) << json;
  }
}

TEST(LogFormat, JsonHoldsWhatTextHolds) {
  const auto j = nlohmann::json::parse(
      FormatLogJson(kTime, LogLevel::kWarning, "scan finished", {{"scan", "a\"b\n"}}));
  EXPECT_EQ(j["time"], "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(j["level"], "warning");
  EXPECT_EQ(j["event"], "scan finished");
  EXPECT_EQ(j["scan"], "a\"b\n");
}

TEST(Log, UnknownFormatsAndLevelsAreRefused) {
  EXPECT_TRUE(InitLogging({"text", "warning"}).ok());
  EXPECT_EQ(InitLogging({"xml", "info"}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(InitLogging({"json", "loud"}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace portolan
