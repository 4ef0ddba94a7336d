#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "ops/attention/attention.h"
#include "ops/attention/attention_kernels.h"
#include "ops/attention/kv_cache.h"
#include "ops/attention/reference.h"
#include "ops/attention/work_split.h"

namespace cairn {
#define X(isa)                                 \
  namespace isa {                              \
  extern const AttentionTable kAttentionTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

// Query rows (tokens by heads of a group) that share loaded keys and values.
constexpr std::int64_t kItemRows = 32;
// Items of up to so many rows wait for memory more than for arithmetic.
constexpr std::int64_t kFewRows = 8;
// At most this much memory for the partial states of cut items; what does not fit stays whole.
constexpr std::int64_t kPartialBytes = 16 << 20;

const AttentionTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kAttentionTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kAttentionTable;
}

std::int64_t item_rows(std::int64_t group) { return std::max<std::int64_t>(kItemRows / group, 1) * group; }

// Floats of a state, and of one worker's scratch: q, states, scores, sums and seen ranges of an item's rows, and
// decoded keys or values.
std::int64_t state_floats(std::int64_t head_dim) { return kStateHeader + head_dim; }
std::int64_t scratch_floats(std::int64_t rows, std::int64_t head_dim) {
  return (rows * (2 * head_dim + state_floats(head_dim) + kStepTokens + 4) + 15) / 16 * 16 + kPartTokens * head_dim;
}

// Partial states there is room for: depends only on what does not change from run to run.
std::int64_t partial_capacity(const TensorView& cache, std::int64_t rows, int workers) {
  const std::int64_t steps = (cache.dim(0) * cache.dim(2) + kStepTokens - 1) / kStepTokens;
  const std::int64_t head_dim = kv_head_dim(cache.dtype, cache.dim(3));
  const std::int64_t fitting = kPartialBytes / (state_floats(head_dim) * static_cast<std::int64_t>(sizeof(float)));
  return workers < 2 ? 0 : std::min(fitting, 4 * workers * rows * steps);
}

// The attributes.
struct Options {
  float scale = 1, softcap = 0;  // softcap 0: none
  Products products = Products::f32;
  std::int64_t window = 0;  // 0: none
};

// One run of the kernel as one worker sees it.
class Run {
 public:
  Run(const AttentionTable& table, const Options& options, std::span<const TensorView> inputs, const TensorView& out,
      std::byte* workspace, Worker worker)
      : table_(table),
        step_(table.step[static_cast<int>(find_kv_format(inputs[1].dtype)->type)][static_cast<int>(options.products)]),
        options_(options),
        q_(inputs[0]),
        k_(inputs[1]),
        v_(inputs[2]),
        tables_(inputs[3]),
        out_(out),
        worker_(worker),
        head_dim_(q_.dim(2)),
        block_size_(k_.dim(2)) {
    batch_.tokens = q_.dim(0), batch_.sequences = inputs[5].dim(0);
    batch_.max_positions = tables_.dim(1) * block_size_;
    batch_.kv_heads = k_.dim(1), batch_.group = q_.dim(1) / batch_.kv_heads;
    const std::int64_t rows = item_rows(batch_.group);
    batch_.tile_tokens = rows / batch_.group, batch_.window = options.window;
    batch_.query_start_loc = inputs[4].as<const std::int32_t>();
    batch_.seq_lens = inputs[5].as<const std::int32_t>();
    capacity_ = partial_capacity(k_, rows, worker.count);
    for_each_item(batch_, [this](const AttentionItem& item) { total_cost_ += item.cost; });
    auto* floats = reinterpret_cast<float*>(workspace);
    partials_ = floats + worker.count * scratch_floats(rows, head_dim_);
    decoded_ = floats + worker.index * scratch_floats(rows, head_dim_);
    states_ = decoded_ + kPartTokens * head_dim_;
    scaled_q_ = states_ + rows * state_floats(head_dim_);
    scores_ = scaled_q_ + rows * head_dim_;
    sums_ = scores_ + rows * kStepTokens;
    seen_ = reinterpret_cast<SeenRange*>(sums_ + rows * head_dim_);
  }

  // Phase 0: whole items from end to end; the steps of cut items as partial states.
  void attend() const {
    const Range mine = share(total_cost_, worker_);
    auto is_mine = [&](std::int64_t cost) { return cost >= mine.begin && cost < mine.end; };
    CutRule cut(total_cost_, worker_.count, capacity_);
    std::int64_t before = 0;
    for_each_item(batch_, [&](const AttentionItem& item) {
      const std::int64_t start = before, steps = steps_of(item), place = cut.place(item, rows_of(item), steps);
      before += item.cost;
      if (before <= mine.begin || start >= mine.end) return;
      if (place < 0) {
        if (is_mine(start + item.cost / 2)) whole_item(item, steps);
        return;
      }
      load_queries(item);
      for (std::int64_t step = 0; step < steps; ++step)
        if (is_mine(start + (2 * step + 1) * item.cost / (2 * steps))) partial_step(item, step, steps, place);
    });
  }

  // Phase 1: merges the partial states of cut items, row by row.
  void combine() const {
    CutRule cut(total_cost_, worker_.count, capacity_);
    std::int64_t row = 0;
    for_each_item(batch_, [&](const AttentionItem& item) {
      const std::int64_t steps = steps_of(item), place = cut.place(item, rows_of(item), steps);
      if (place < 0) return;
      for (std::int64_t r = 0; r < rows_of(item); ++r, ++row) {
        if (row % worker_.count != worker_.index) continue;
        reset(states_);
        const SeenRange seen = seen_by(item, r);
        const std::int64_t first = first_step(item), end = std::min(steps, steps_for(seen.end) - first);
        for (std::int64_t step = seen.begin / kStepTokens - first; step < end; ++step)
          table_.merge(states_, partial(place, r, step, steps), head_dim_);
        table_.finish(states_, out_row(item, r), head_dim_);
      }
    });
  }

 private:
  static std::int64_t steps_for(std::int64_t positions) { return (positions + kStepTokens - 1) / kStepTokens; }
  static std::int64_t first_step(const AttentionItem& item) { return item.first_seen / kStepTokens; }
  // Steps from the first one that is seen; partial states and shares of the cost count from there.
  static std::int64_t steps_of(const AttentionItem& item) { return steps_for(item.positions) - first_step(item); }
  std::int64_t rows_of(const AttentionItem& item) const { return item.tokens * batch_.group; }
  // Positions that row r sees: token r / group, head r % group of the item.
  SeenRange seen_by(const AttentionItem& item, std::int64_t row) const {
    const std::int64_t end = std::max<std::int64_t>(item.first_position + row / batch_.group + 1, 0);
    return {options_.window > 0 ? std::max<std::int64_t>(end - options_.window, 0) : 0, end};
  }
  float* out_row(const AttentionItem& item, std::int64_t row) const {
    return out_.row<float>(item.first_token + row / batch_.group) +
           (item.head * batch_.group + row % batch_.group) * head_dim_;
  }
  float* partial(std::int64_t place, std::int64_t row, std::int64_t step, std::int64_t steps) const {
    return partials_ + (place + row * steps + step) * state_floats(head_dim_);
  }
  void reset(float* state) const {
    state[0] = -std::numeric_limits<float>::infinity();
    std::fill_n(state + 1, state_floats(head_dim_) - 1, 0.0f);
  }

  void load_queries(const AttentionItem& item) const {
    for (std::int64_t r = 0; r < rows_of(item); ++r) {
      const float* q = q_.row<const float>(item.first_token + r / batch_.group) +
                       (item.head * batch_.group + r % batch_.group) * q_.strides[1];
      // Rows of bf16 take half of each row's place, one after the other.
      const std::int64_t bytes = options_.products == Products::bf16 ? 2 : 4;
      table_.load_query(q, options_.scale, head_dim_, options_.products,
                        reinterpret_cast<std::byte*>(scaled_q_) + r * head_dim_ * bytes);
    }
  }

  // Goes through the groups of 16 positions of a sequence's head. Block numbers outside the cache are clamped.
  class Groups {
   public:
    Groups(const Run& run, const AttentionItem& item, std::int64_t position)
        : table_(run.tables_.row<const std::int32_t>(item.sequence) + position / run.block_size_),
          blocks_(run.k_.dim(0)),
          token_(position % run.block_size_),
          block_size_(run.block_size_),
          token_bytes_(row_bytes(run.k_.dtype, run.k_.dim(3))),
          block_bytes_(run.batch_.kv_heads * block_size_ * token_bytes_),
          head_(item.head * block_size_) {}
    // Bytes from the start of a cache to the group; then goes on to the next one.
    std::int64_t next() {
      const std::int64_t block = std::clamp<std::int64_t>(*table_, 0, blocks_ - 1),
                         offset = block * block_bytes_ + (head_ + token_) * token_bytes_;
      token_ += kKvGroup;
      if (token_ == block_size_) token_ = 0, ++table_;
      return offset;
    }

   private:
    const std::int32_t* table_;
    std::int64_t blocks_, token_, block_size_, token_bytes_, block_bytes_, head_;
  };

  AttentionStep make_step(const AttentionItem& item, std::int64_t index) const {
    AttentionStep step;
    const std::int64_t begin = (first_step(item) + index) * kStepTokens,
                       end = std::min(item.positions, begin + kStepTokens);
    const std::int64_t first = std::max<std::int64_t>(item.first_seen - begin, 0) / kKvGroup,
                       groups = (end - begin + kKvGroup - 1) / kKvGroup;
    Groups walk(*this, item, begin + first * kKvGroup);
    for (std::int64_t g = first; g < groups; ++g) {
      const std::int64_t offset = walk.next();
      step.k[g] = k_.data + offset;
      step.v[g] = v_.data + offset;
    }
    // The values follow the keys, and the next step's keys the values.
    for (std::int64_t g = 0; g < kAhead; ++g) {
      step.k[groups + g] = step.v[std::min(first + g, groups - 1)];
      step.v[groups + g] = end + g * kKvGroup < item.positions ? k_.data + walk.next() : step.v[groups - 1];
    }
    step.softcap = options_.softcap;
    step.head_dim = head_dim_;
    step.rows = rows_of(item);
    step.few_rows = step.rows <= kFewRows;
    step.q = scaled_q_;
    auto within = [&](std::int64_t position) { return std::clamp<std::int64_t>(position - begin, 0, kStepTokens); };
    for (std::int64_t r = 0; r < step.rows; ++r) {
      const SeenRange seen = seen_by(item, r);
      seen_[r] = {within(seen.begin), within(seen.end)};
    }
    step.seen = seen_;
    step.scores = scores_;
    step.sums = sums_;
    step.decoded = decoded_;
    step.states = states_;
    step.state_stride = state_floats(head_dim_);
    return step;
  }

  void whole_item(const AttentionItem& item, std::int64_t steps) const {
    load_queries(item);
    for (std::int64_t r = 0; r < rows_of(item); ++r) reset(states_ + r * state_floats(head_dim_));
    for (std::int64_t step = 0; step < steps; ++step) step_(make_step(item, step));
    for (std::int64_t r = 0; r < rows_of(item); ++r)
      table_.finish(states_ + r * state_floats(head_dim_), out_row(item, r), head_dim_);
  }

  void partial_step(const AttentionItem& item, std::int64_t index, std::int64_t steps, std::int64_t place) const {
    AttentionStep step = make_step(item, index);
    step.states = partial(place, 0, index, steps);
    step.state_stride = steps * state_floats(head_dim_);
    step.fresh = true;
    step_(step);
  }

  const AttentionTable& table_;
  void (*step_)(const AttentionStep&);
  const Options& options_;
  const TensorView &q_, &k_, &v_, &tables_, &out_;
  Worker worker_;
  std::int64_t head_dim_, block_size_, capacity_ = 0, total_cost_ = 0;
  AttentionBatch batch_;
  float *partials_, *decoded_, *states_, *scaled_q_, *scores_, *sums_;
  SeenRange* seen_;
};

class PagedAttentionKernel final : public Kernel {
 public:
  PagedAttentionKernel(Isa isa, const Options& options) : table_(table(isa)), options_(options) {}

  int phases() const override { return 2; }

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    const std::int64_t rows = item_rows(inputs[0].dim(1) / inputs[1].dim(1)), head_dim = inputs[0].dim(2);
    return static_cast<std::int64_t>(sizeof(float)) *
           (workers * scratch_floats(rows, head_dim) +
            partial_capacity(inputs[1], rows, workers) * state_floats(head_dim));
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int phase,
           Worker worker) const noexcept override {
    const Run run(table_, options_, inputs, outputs[0], workspace, worker);
    phase == 0 ? run.attend() : run.combine();
  }

 private:
  const AttentionTable& table_;
  Options options_;
};

Products products_of(const PrepareContext& context) {
  const bool may_round = context.attributes.get_or<std::string>("products", "f32") == "bf16";
  const KvType type = find_kv_format(context.inputs[1].dtype)->type;
  const bool gains = table(context.isa).step[static_cast<int>(type)][static_cast<int>(Products::bf16)] != nullptr;
  return may_round && gains ? Products::bf16 : Products::f32;
}

std::int64_t window_of(const Attributes& attributes) { return attributes.get_or<std::int64_t>("sliding_window", 0); }
double softcap_of(const Attributes& attributes) { return attributes.get_or<double>("attn_logit_softcapping", 0); }

std::vector<ValueType> infer(const InferContext& context) {
  constexpr std::string_view op = "PagedAttention";
  expect_inputs(op, context, 6, 6);
  expect_rank(op, context, 0, 3);
  expect_dtype(op, context, 0, {DType::f32});
  const std::int64_t head_dim = check_caches(op, context, 1);
  expect_rank(op, context, 3, 2);
  for (std::size_t i : {4, 5}) expect_rank(op, context, i, 1);
  for (std::size_t i : {3, 4, 5}) expect_dtype(op, context, i, {DType::i32});
  expect_same_dim(op, context.inputs[3].shape[0], context.inputs[5].shape[0],
                  "the sequences of block_tables and seq_lens");
  const SymShape &q = context.inputs[0].shape, &cache = context.inputs[1].shape;
  expect_same_dim(op, q[2], Dim(head_dim), "the head dimensions of q and the cache");
  if (q[1].is_symbol() || q[1].value < 1 || cache[1].value < 1 || q[1].value % cache[1].value != 0)
    fail_invalid("{}: the query heads of {} must be a multiple of the KV heads of {}", op, to_string(context.inputs[0]),
                 to_string(context.inputs[1]));
  constexpr std::array known = {"scale", "products", "sliding_window", "attn_logit_softcapping"};
  for (const auto& [name, value] : context.attributes.entries())
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail(ErrorKind::unsupported, "{}: attribute '{}' is not supported", op, name);
  if (window_of(context.attributes) < 0)
    fail_invalid("{}: sliding_window is {}; 0 (none) or more is expected", op, window_of(context.attributes));
  if (!(softcap_of(context.attributes) >= 0))
    fail_invalid("{}: attn_logit_softcapping is {}; 0 (none) or more is expected", op, softcap_of(context.attributes));
  const auto products = context.attributes.get_or<std::string>("products", "f32");
  if (products != "f32" && products != "bf16") fail_invalid("{}: products is '{}'; accepted: f32, bf16", op, products);
  return {{DType::f32, {q[0], q[1].value * q[2].value}}};
}

// Keys and values that a sequence sees once; the products of each token with the positions that it sees.
Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  const TensorView &q = inputs[0], &cache = inputs[1];
  const auto *starts = inputs[4].as<const std::int32_t>(), *lengths = inputs[5].as<const std::int32_t>();
  const std::span<const TensorView> tokens = inputs.first(1);
  Cost cost = bytes_of(tokens, outputs);
  if (attributes.get_or<std::string>("products", "f32") == "bf16") cost.arithmetic = Arithmetic::bf16;
  for (std::int64_t s = 0; s < inputs[5].dim(0); ++s) {
    const double length = lengths[s], queries = starts[s + 1] - starts[s];
    const double window = window_of(attributes) > 0 ? static_cast<double>(window_of(attributes)) : length;
    const double read = std::min(length, window + queries - 1);
    cost.bytes += 2 * read * static_cast<double>(row_bytes(cache.dtype, cache.dim(1) * cache.dim(3)));
    // Tokens that see less than a window come first.
    const double growing = std::clamp(window - (length - queries), 0.0, queries);
    const double pairs =
        growing * (length - queries) + growing * (growing + 1) / 2 + (queries - growing) * std::min(window, length);
    cost.operations += 4 * pairs * static_cast<double>(q.dim(1) * q.dim(2));
  }
  return cost;
}

}  // namespace

const Operator kPagedAttention = {
    .name = "PagedAttention",
    .doc =
        "q [T, Hq, D], k_cache, v_cache, block_tables [S, B], query_start_loc [S + 1], seq_lens [S] -> causal "
        "attention [T, Hq * D]",
    .infer = infer,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      Options options;
      options.scale = static_cast<float>(context.attributes.get<double>("scale"));
      options.softcap = static_cast<float>(softcap_of(context.attributes));
      options.products = products_of(context);
      options.window = window_of(context.attributes);
      return std::make_unique<PagedAttentionKernel>(context.isa, options);
    },
    .reference = paged_attention_ref,
    .cost = cost,
};

}  // namespace cairn
