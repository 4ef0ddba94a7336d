#include "ops/attention/work_split.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace cairn {
namespace {

struct RandomBatch {
  std::vector<std::int32_t> starts{0}, lengths;
  AttentionBatch batch;

  explicit RandomBatch(std::mt19937& random) {
    const auto sequences = random() % 20;
    for (std::size_t s = 0; s < sequences; ++s) {
      const auto query = static_cast<std::int32_t>(random() % 3 ? 1 : random() % 300);
      starts.push_back(starts.back() + query);
      lengths.push_back(query + static_cast<std::int32_t>(random() % 5000));
    }
    batch.tokens = starts.back(), batch.sequences = static_cast<std::int64_t>(sequences), batch.max_positions = 6000;
    batch.kv_heads = 1 + static_cast<std::int64_t>(random() % 8),
    batch.group = 1 + static_cast<std::int64_t>(random() % 8);
    batch.tile_tokens = std::max<std::int64_t>(1, 32 / batch.group);
    batch.query_start_loc = starts.data(), batch.seq_lens = lengths.data();
    if (random() % 2) batch.window = 1 + static_cast<std::int64_t>(random() % 3000);
  }
};

TEST(WorkSplit, ItemsCoverEveryTokenOfEveryHeadOnce) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    RandomBatch b(random);
    std::vector<int> covered(static_cast<std::size_t>(b.batch.tokens * b.batch.kv_heads), 0);
    for_each_item(b.batch, [&](const AttentionItem& item) {
      ASSERT_LE(item.tokens, b.batch.tile_tokens);
      ASSERT_EQ(item.first_position + item.tokens, item.positions);
      ASSERT_GT(item.cost, 0);
      ASSERT_LT(item.first_seen, item.positions);
      const std::int64_t window = b.batch.window > 0 ? b.batch.window : item.positions;
      ASSERT_EQ(item.first_seen, std::max<std::int64_t>(item.first_position + 1 - window, 0));
      for (std::int64_t t = item.first_token; t < item.first_token + item.tokens; ++t)
        ++covered[static_cast<std::size_t>(t * b.batch.kv_heads + item.head)];
    });
    for (int count : covered) ASSERT_EQ(count, 1);
  }
}

TEST(WorkSplit, PartialStatesNeverOverlapNorExceedTheirRoom) {
  std::mt19937 random(6);
  for (int round = 0; round < 100; ++round) {
    RandomBatch b(random);
    std::int64_t total = 0;
    for_each_item(b.batch, [&](const AttentionItem& item) { total += item.cost; });
    const auto capacity = static_cast<std::int64_t>(random() % 500);
    CutRule cut(total, 2 + static_cast<int>(random() % 30), capacity);
    std::int64_t next = 0;
    for_each_item(b.batch, [&](const AttentionItem& item) {
      const std::int64_t rows = item.tokens * b.batch.group, steps = (item.positions + 255) / 256;
      const std::int64_t place = cut.place(item, rows, steps);
      if (place < 0) return;
      ASSERT_EQ(place, next);
      next += rows * steps;
      ASSERT_LE(next, capacity);
    });
  }
}

TEST(WorkSplit, OneLongSequenceIsCutForAllWorkersAndAFullBatchIsNot) {
  std::vector<std::int32_t> starts(65), ones(64, 2000);
  std::iota(starts.begin(), starts.end(), 0);
  AttentionBatch batch{64, 64, 40000, 2, 4, 8, 0, starts.data(), ones.data()};
  auto cut_items = [&] {
    std::int64_t total = 0;
    int items = 0;
    for_each_item(batch, [&](const AttentionItem& item) { total += item.cost; });
    CutRule cut(total, 8, 1 << 20);
    for_each_item(batch,
                  [&](const AttentionItem& item) { items += cut.place(item, 4, (item.positions + 255) / 256) >= 0; });
    return items;
  };
  EXPECT_EQ(cut_items(), 0);
  batch.sequences = 1, batch.tokens = 1;
  EXPECT_EQ(cut_items(), 2);
}

}  // namespace
}  // namespace cairn
