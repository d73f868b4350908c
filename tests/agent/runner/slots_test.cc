#include "agent/runner/slots.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace portolan {
namespace {

TEST(Slots, AgreeWithAMapOverRandomHistories) {
  std::mt19937_64 random(11);
  Slots<std::unique_ptr<int>> slots;
  std::map<uint64_t, int> model;
  std::vector<uint64_t> gone = {0};
  for (int step = 0; step < 50'000; ++step) {
    if (random() % 2 == 0 || model.empty()) {
      const uint64_t promised = slots.NextName();
      const uint64_t name = slots.Put(std::make_unique<int>(step));
      ASSERT_EQ(name, promised);
      ASSERT_TRUE(model.emplace(name, step).second) << "a name was used again";
    } else {
      auto it = model.begin();
      std::advance(it, random() % model.size());
      ASSERT_EQ(*slots.Take(it->first), it->second);
      gone.push_back(it->first);
      model.erase(it);
    }
    ASSERT_EQ(slots.size(), model.size());
    ASSERT_EQ(slots.Find(gone[random() % gone.size()]), nullptr);
    if (!model.empty()) {
      const auto& [name, value] = *model.rbegin();
      ASSERT_EQ(**slots.Find(name), value);
    }
  }
  size_t seen = 0;
  slots.ForEach([&](uint64_t name, std::unique_ptr<int>& value) {
    ++seen;
    EXPECT_EQ(*value, model.at(name));
    slots.Take(name);
  });
  EXPECT_EQ(seen, model.size());
  EXPECT_EQ(slots.size(), 0u);
}

}  // namespace
}  // namespace portolan
