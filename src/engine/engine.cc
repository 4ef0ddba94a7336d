#include "engine/engine.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "engine/engine_core.h"
#include "engine/logit_processors.h"
#include "engine/output_processor.h"

namespace cairn {
namespace {

constexpr std::size_t kStepsKept = 1024;

void check_prompt(const std::vector<int>& prompt, const ModelRunner& runner) {
  const auto length = static_cast<std::int64_t>(prompt.size());
  const std::int64_t limit = runner.max_model_len();
  if (prompt.empty()) fail_invalid("The decoder prompt cannot be empty");
  const char* remedy = "Make sure that `max_model_len` is no smaller than the number of text tokens";
  if (length > limit) {
    fail_invalid("The decoder prompt (length {}) is longer than the maximum model length of {}. {}.", length, limit,
                 remedy);
  }
  if (length == limit) {
    fail_invalid(
        "The decoder prompt (length {}) plus the number of requested output tokens (at least 1) is longer "
        "than the maximum model length of {}. {} plus one.",
        length, limit, remedy);
  }
  for (const int id : prompt) {
    if (id < 0 || id >= runner.vocab_size()) fail_invalid("Token id {} is out of vocabulary", id);
  }
}

void check_logprobs(const SamplingParams& params, int allowed, int vocab_size) {
  const int most = allowed < 0 ? vocab_size : allowed;
  const auto check = [&](const char* what, const std::optional<int>& asked) {
    const int count = asked.value_or(0) < 0 ? vocab_size : asked.value_or(0);
    if (count > most) {
      fail_invalid("Requested {} logprobs of {}, which is greater than max allowed: {}", what, count, most);
    }
  };
  check("sample", params.logprobs);
  check("prompt", params.prompt_logprobs);
}

}  // namespace

// Two queues tie the threads together: the inbox (callers and output thread to scheduler thread) and the outbox
// (scheduler thread to output thread). No lock is held while a step runs or a sink is called.
struct Engine::Impl {
  Impl(EngineConfig engine_config, std::unique_ptr<ModelRunner> model_runner,
       std::shared_ptr<const Tokenizer> shared_tokenizer, Log engine_log)
      : config(std::move(engine_config)),
        runner(std::move(model_runner)),
        tokenizer(std::move(shared_tokenizer)),
        log(std::move(engine_log)),
        core(config, *runner),
        processor(*tokenizer, log) {
    std::random_device entropy;
    seeds.seed((static_cast<std::uint64_t>(entropy()) << 32) | entropy());
    primary_eos = pick_primary_eos();
    core.fill(snapshot);
    scheduler_thread = std::thread([this] { scheduler_loop(); });
    output_thread = std::thread([this] { output_loop(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      draining = stopping = true;
    }
    inbox_filled.notify_all();
    scheduler_thread.join();
    {
      std::lock_guard lock(outbox_mutex);
      outbox_closed = true;
    }
    outbox_filled.notify_all();
    output_thread.join();
  }

  struct Abort {
    std::uint64_t request_key;
    int index;
  };
  struct Inbox {
    std::vector<std::shared_ptr<const RequestInfo>> added;
    std::vector<Abort> aborted;
    bool abort_all = false, reset_cache = false;
    std::int64_t num_sequences = 0;
    bool empty() const { return added.empty() && aborted.empty() && !abort_all && !reset_cache; }
  };
  struct OutboxItem {
    std::shared_ptr<const RequestInfo> started;
    OutputSink sink;
    std::vector<SequenceOutput> outputs;
    std::optional<StepRecord> step;
  };

  std::optional<int> pick_primary_eos() const;
  std::shared_ptr<RequestInfo> admit(Request&& request);
  void enqueue(std::shared_ptr<RequestInfo> info, OutputSink sink);
  void scheduler_loop();
  bool take_inbox(std::vector<SequenceOutput>& outputs);
  void run_step();
  void push_outbox(OutboxItem item);
  void output_loop();
  void handle_ended();

  const EngineConfig config;
  const std::unique_ptr<ModelRunner> runner;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const Log log;
  const EngineClock::time_point started = EngineClock::now();
  std::optional<int> primary_eos;
  EngineCore core;            // scheduler thread; kv_cache() const from any
  OutputProcessor processor;  // output thread
  std::mutex observer_mutex;  // held while an item is passed on
  EngineObserver* observer = nullptr;

  mutable std::mutex mutex;  // guards what follows, down to the blank line
  std::condition_variable inbox_filled, live_changed, cache_reset;
  Inbox inbox;
  std::unordered_map<std::string, std::uint64_t> live_ids;
  std::unordered_map<std::uint64_t, std::string> live_keys;
  std::mt19937_64 seeds;
  std::uint64_t next_key = 1;
  std::int64_t resets_asked = 0, resets_done = 0;
  bool draining = false, stopping = false;
  EngineStats snapshot;
  std::deque<StepRecord> steps;

  std::mutex outbox_mutex;
  std::condition_variable outbox_filled;
  std::vector<OutboxItem> outbox;
  bool outbox_closed = false;

  std::thread scheduler_thread, output_thread;
};

// The tokenizer's own end token, or else the first listed, ends an answer without a stop reason, as clients of vLLM
// expect; the others are reported by id.
std::optional<int> Engine::Impl::pick_primary_eos() const {
  const auto& ids = config.eos_token_ids;
  if (ids.empty()) return std::nullopt;
  const std::optional<int> own = tokenizer->eos_token_id();
  return own && std::ranges::find(ids, *own) != ids.end() ? own : ids.front();
}

// Checks a request and does on the caller's thread what the scheduler's need not: bad words, hashes of the prompt.
std::shared_ptr<RequestInfo> Engine::Impl::admit(Request&& request) {
  request.params.validate(runner->vocab_size());
  check_logprobs(request.params, config.max_logprobs, runner->vocab_size());
  check_prompt(request.prompt_token_ids, *runner);
  auto info = std::make_shared<RequestInfo>();
  info->id = std::move(request.id);
  info->prompt = std::move(request.prompt_token_ids);
  info->params = std::move(request.params);
  info->priority = request.priority;
  info->bad_words = tokenize_bad_words(info->params.bad_words, *tokenizer, runner->vocab_size());
  if (!info->params.ignore_eos) {
    for (const int id : config.eos_token_ids) {
      if (id >= 0 && id < runner->vocab_size()) info->eos_token_ids.push_back(id);
    }
    info->primary_eos = primary_eos;
  }
  const auto room = static_cast<int>(runner->max_model_len()) - static_cast<int>(info->prompt.size());
  info->max_output_tokens = std::min(info->params.max_tokens.value_or(room), room);
  info->root_hash = core.kv_cache().root_hash(request.cache_salt);
  info->prompt_hashes = core.kv_cache().hash_blocks(info->root_hash, info->prompt);
  info->arrival = EngineClock::now();
  return info;
}

void Engine::Impl::enqueue(std::shared_ptr<RequestInfo> info, OutputSink sink) {
  {
    std::lock_guard lock(mutex);
    if (draining) fail(ErrorKind::cancelled, "the engine is shutting down and takes no new requests");
    if (live_ids.contains(info->id)) fail_invalid("a request with id \"{}\" is already running", info->id);
    const std::int64_t waiting = snapshot.waiting + inbox.num_sequences;
    if (waiting >= config.max_waiting) {
      fail(ErrorKind::resource_exhausted, "the queue is full: {} sequences are waiting, the limit is {}", waiting,
           config.max_waiting);
    }
    info->key = next_key++;
    const std::uint64_t drawn = seeds();
    info->seed = info->params.seed ? static_cast<std::uint64_t>(*info->params.seed) : drawn;
    live_ids.emplace(info->id, info->key);
    live_keys.emplace(info->key, info->id);
    push_outbox({info, std::move(sink), {}, std::nullopt});  // before any output can be
    inbox.num_sequences += info->params.n;
    inbox.added.push_back(std::move(info));
  }
  inbox_filled.notify_one();
}

void Engine::Impl::push_outbox(OutboxItem item) {
  {
    std::lock_guard lock(outbox_mutex);
    outbox.push_back(std::move(item));
  }
  outbox_filled.notify_one();
}

void Engine::Impl::scheduler_loop() {
  for (;;) {
    std::vector<SequenceOutput> outputs;
    const bool go_on = take_inbox(outputs);
    if (!outputs.empty()) push_outbox({nullptr, nullptr, std::move(outputs), std::nullopt});
    if (!go_on) return;
    if (core.has_work()) run_step();
  }
}

// Waits for something to do and takes in what callers asked for. False when the engine stops.
bool Engine::Impl::take_inbox(std::vector<SequenceOutput>& outputs) {
  Inbox taken;
  std::int64_t resets = 0;
  bool stop = false;
  {
    std::unique_lock lock(mutex);
    if (!core.has_work()) inbox_filled.wait(lock, [this] { return stopping || !inbox.empty(); });
    taken = std::exchange(inbox, {});
    snapshot.waiting += static_cast<int>(taken.num_sequences);  // so that the queue's limit sees them all the while
    resets = resets_asked;
    stop = stopping;
  }
  if (taken.empty() && !stop) return true;
  for (auto& request : taken.added) core.add(std::move(request));
  for (const Abort& abort : taken.aborted) core.abort(abort.request_key, abort.index, outputs);
  if (taken.abort_all || stop) core.abort_all(outputs);
  if (taken.reset_cache) core.reset_prefix_cache();
  {
    std::lock_guard lock(mutex);
    core.fill(snapshot);
    resets_done = resets;
  }
  cache_reset.notify_all();
  return !stop;
}

void Engine::Impl::run_step() {
  const EngineClock::time_point begin = EngineClock::now();
  EngineCore::StepResult result = core.step();
  const EngineClock::time_point end = EngineClock::now();
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const StepRecord record{Milliseconds(end - started).count(), Milliseconds(end - begin).count(), result.prefill_tokens,
                          result.decode_tokens, result.seqs};
  if (!result.error.empty()) log->error("a step of {} sequences failed: {}", result.seqs, result.error);
  {
    std::lock_guard lock(mutex);
    core.fill(snapshot);
    ++snapshot.steps;
    steps.push_back(record);
    if (steps.size() > kStepsKept) steps.pop_front();
  }
  push_outbox({nullptr, nullptr, std::move(result.outputs), record});
}

void Engine::Impl::output_loop() {
  for (;;) {
    std::vector<OutboxItem> items;
    {
      std::unique_lock lock(outbox_mutex);
      outbox_filled.wait(lock, [this] { return outbox_closed || !outbox.empty(); });
      if (outbox.empty()) return;
      items.swap(outbox);
    }
    for (OutboxItem& item : items) {
      std::lock_guard lock(observer_mutex);
      if (item.started) processor.start(std::move(item.started), std::move(item.sink));
      if (item.step && observer != nullptr) observer->on_step(*item.step);
      for (SequenceOutput& output : item.outputs) processor.process(std::move(output), observer);
      handle_ended();
    }
  }
}

// Tells the scheduler of choices that a stop string ended, and forgets the ids of requests that are over.
void Engine::Impl::handle_ended() {
  const std::vector<OutputProcessor::Ended> ended = processor.take_ended();
  if (ended.empty()) return;
  {
    std::lock_guard lock(mutex);
    for (const auto& [key, index] : ended) {
      if (index >= 0) {
        inbox.aborted.push_back({key, index});
      } else if (const auto found = live_keys.find(key); found != live_keys.end()) {
        live_ids.erase(found->second);
        live_keys.erase(found);
      }
    }
  }
  inbox_filled.notify_one();
  live_changed.notify_all();
}

Engine::Engine(EngineConfig config, std::unique_ptr<ModelRunner> runner, std::shared_ptr<const Tokenizer> tokenizer,
               Log log) {
  if (!runner || !tokenizer || !log) fail_invalid("an engine needs a model runner, a tokenizer and a log");
  impl_ = std::make_unique<Impl>(std::move(config), std::move(runner), std::move(tokenizer), std::move(log));
}

Engine::~Engine() = default;

void Engine::submit(Request request, OutputSink sink) {
  if (!sink) fail_invalid("a request needs an output sink");
  impl_->enqueue(impl_->admit(std::move(request)), std::move(sink));
}

void Engine::cancel(const std::string& request_id) {
  {
    std::lock_guard lock(impl_->mutex);
    const auto found = impl_->live_ids.find(request_id);
    if (found == impl_->live_ids.end()) return;
    impl_->inbox.aborted.push_back({found->second, -1});
  }
  impl_->inbox_filled.notify_one();
}

bool Engine::drain(double timeout_seconds) {
  std::unique_lock lock(impl_->mutex);
  impl_->draining = true;
  const auto idle = [this] { return impl_->live_ids.empty(); };
  const std::chrono::duration<double> timeout(std::clamp(timeout_seconds, 0.0, 1e9));
  if (impl_->live_changed.wait_for(lock, timeout, idle)) return true;
  impl_->inbox.abort_all = true;
  impl_->inbox_filled.notify_one();
  impl_->live_changed.wait(lock, idle);
  return false;
}

EngineStats Engine::stats() const {
  std::lock_guard lock(impl_->mutex);
  EngineStats stats = impl_->snapshot;
  stats.waiting += static_cast<int>(impl_->inbox.num_sequences);
  return stats;
}

std::vector<StepRecord> Engine::steps_since(std::int64_t& after) const {
  std::lock_guard lock(impl_->mutex);
  const std::int64_t newest = impl_->snapshot.steps;
  const std::int64_t count =
      std::clamp<std::int64_t>(newest - after, 0, static_cast<std::int64_t>(impl_->steps.size()));
  after = newest;
  return {impl_->steps.end() - count, impl_->steps.end()};
}

void Engine::set_observer(EngineObserver* observer) {
  std::lock_guard lock(impl_->observer_mutex);
  impl_->observer = observer;
}

const ModelRunner& Engine::runner() const { return *impl_->runner; }
const EngineConfig& Engine::config() const { return impl_->config; }
const Tokenizer& Engine::tokenizer() const { return *impl_->tokenizer; }

void Engine::reset_prefix_cache() {
  std::unique_lock lock(impl_->mutex);
  const std::int64_t mine = ++impl_->resets_asked;
  impl_->inbox.reset_cache = true;
  impl_->inbox_filled.notify_one();
  impl_->cache_reset.wait(lock, [&] { return impl_->resets_done >= mine; });
}

}  // namespace cairn
