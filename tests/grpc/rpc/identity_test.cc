#include "common/rpc/identity.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

TEST(Identity, TakesTheFirstUriOfOurs) {
  const PeerIdentity a = IdentityFromUris(
      {"https://example.org/", "spiffe://corp.example/other/agent",
       "spiffe://corp.example/portolan/agent/dmz-1", "spiffe://corp.example/portolan/operator"});
  EXPECT_EQ(a.role, Role::kAgent);
  EXPECT_EQ(a.name, "dmz-1");
  EXPECT_EQ(IdentityFromUris({"spiffe://d/portolan/operator"}).role, Role::kOperator);
  EXPECT_EQ(IdentityFromUris({"spiffe://d/portolan/operator/ann"}).name, "ann");
  EXPECT_EQ(IdentityFromUris({"spiffe://d/portolan/coordinator"}).role, Role::kCoordinator);
}

TEST(Identity, AnythingElseIsNobody) {
  for (const char* uri :
       {"", "spiffe://", "spiffe:///portolan/agent", "spiffe://d", "spiffe://d/",
        "spiffe://d/portolan", "spiffe://d/portolan/", "spiffe://d/portolan/agents",
        "spiffe://d/portolan/agent/", "spiffe://d/portolan/agent/a/b", "SPIFFE://d/portolan/agent",
        "http://d/portolan/agent", "spiffe://d/x/portolan/agent", "spiffe://d/portolan//agent"}) {
    EXPECT_EQ(IdentityFromUris({uri}).role, Role::kNone) << uri;
  }
  EXPECT_EQ(IdentityFromUris({}).role, Role::kNone);
}

TEST(Identity, AnAgentMayCallFleetOnlyUnderItsName) {
  EXPECT_TRUE(MayCallFleet({Role::kAgent, ""}, "any").ok());
  EXPECT_TRUE(MayCallFleet({Role::kAgent, "a1"}, "a1").ok());
  EXPECT_EQ(MayCallFleet({Role::kAgent, "a1"}, "a2").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(MayCallScans({Role::kAgent, "a1"}).code(), absl::StatusCode::kPermissionDenied);
}

TEST(Identity, AnOperatorMayCallScansAndMonitorsOnly) {
  EXPECT_TRUE(MayCallScans({Role::kOperator, ""}).ok());
  EXPECT_TRUE(MayCallMonitors({Role::kOperator, ""}).ok());
  EXPECT_EQ(MayCallMonitors({Role::kAgent, ""}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(MayCallFleet({Role::kOperator, ""}, "a").ok());
}

TEST(Identity, CertificatesOfOthersMayCallNothing) {
  for (const Role role : {Role::kNone, Role::kCoordinator}) {
    EXPECT_FALSE(MayCallScans({role, ""}).ok());
    EXPECT_FALSE(MayCallMonitors({role, ""}).ok());
    EXPECT_FALSE(MayCallFleet({role, ""}, "a").ok());
  }
  EXPECT_TRUE(MayCallScans({Role::kAnyone, ""}).ok());
  EXPECT_TRUE(MayCallFleet({Role::kAnyone, ""}, "a").ok());
}

}  // namespace
}  // namespace portolan
