#include "coordinator/monitoring/notifications.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/exposure/builders.h"

namespace portolan {
namespace {

using testing::EndsWith;

ExposureEvent Opened(uint16_t port) {
  ExposureEvent e;
  e.id = "ev-1";
  e.monitor = "web";
  e.vantage = "cloud";
  e.subject = Sub("10.0.0.1", port);
  e.kind = ChangeKind::kOpened;
  e.from = kClosedSym;
  e.to = kOpenSym;
  return e;
}

TEST(Notifications, AnEventAgainstARuleOfAServiceClassSaysThatItIsByPortNumber) {
  ExposureRule rule;
  rule.id = "nothing-clear";
  rule.services = {"clear-text"};
  EXPECT_THAT(NotificationOf(Opened(21), &rule, {}).text,
              EndsWith(", against \"nothing-clear\": by port number clear-text"));
  rule.reason = "passwords are sent";
  EXPECT_THAT(NotificationOf(Opened(21), &rule, {}).text,
              EndsWith(": by port number clear-text; passwords are sent"));
  // Of a port that is in no class of the rule, the reason alone.
  EXPECT_THAT(NotificationOf(Opened(64'999), &rule, {}).text,
              EndsWith("against \"nothing-clear\": passwords are sent"));
}

}  // namespace
}  // namespace portolan
