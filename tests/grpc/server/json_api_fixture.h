#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "coordinator/control/control.h"
#include "coordinator/server/json_api.h"
#include "coordinator/store/store.h"
#include "tests/fakes/fake_name_lookup.h"
#include "tests/fakes/sample_monitoring.h"
#include "tests/fakes/temp_directory.h"

namespace portolan {

using Json = nlohmann::json;

// The HTTP API of a coordinator with a store of its own and a monitoring that only answers queries.
class JsonApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SqliteOptions sqlite;
    sqlite.directory = directory_.path();
    sqlite.sync_full = false;
    auto store = OpenSqliteStore(sqlite);
    ASSERT_TRUE(store.ok()) << store.status();
    ControlOptions options;
    options.names = &names_;
    auto control = Control::Start(std::move(options), *std::move(store), SystemClock());
    ASSERT_TRUE(control.ok()) << control.status();
    control_ = *std::move(control);
    Serve(&monitoring_);
  }
  void Serve(Monitoring* monitoring) {
    HttpEndpointOptions options;
    options.listen = "127.0.0.1:0";
    options.routes = JsonApi(*control_, monitoring);
    auto endpoint = HttpEndpoint::Start(std::move(options), {});
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
  }
  Json Get(const std::string& path, int status = 200) {
    httplib::Client client("127.0.0.1", endpoint_->port());
    auto r = client.Get(path);
    if (!r) {
      ADD_FAILURE() << path << ": no answer";
      return {};
    }
    EXPECT_EQ(r->status, status) << path << ": " << r->body;
    return Json::parse(r->body, nullptr, false);
  }
  std::string Refusal(const std::string& path, int status = 400) {
    const Json json = Get(path, status);
    return json.at("error").at("message").get<std::string>();
  }

  TempDirectory directory_;
  FakeNameLookup names_;
  ReadOnlyMonitoring monitoring_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<HttpEndpoint> endpoint_;
};

}  // namespace portolan
