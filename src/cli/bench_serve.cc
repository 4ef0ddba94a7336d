// cairn bench serve: load on a running server, as its clients feel it.
#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "base/error.h"
#include "cli/bench.h"
#include "cli/http_load.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace cairn {
namespace {

struct ServeLoadFlags {
  std::string url = "http://127.0.0.1:8000", model, api_key, json;
  std::int64_t input_len = 128, output_len = 64, num_prompts = 64;
  double request_rate = 0;
  int max_concurrency = 0;
  std::uint64_t seed = 0;
};

// Every vocabulary has these ids as ordinary tokens.
constexpr int kLowId = 100, kHighId = 1000;

std::vector<std::string> make_bodies(const ServeLoadFlags& flags, const std::string& model) {
  std::vector<std::string> bodies;
  for (std::int64_t i = 0; i < flags.num_prompts; ++i) {
    nlohmann::json body = {{"model", model},
                           {"prompt", random_token_ids(flags.input_len, kLowId, kHighId,
                                                       flags.seed << 32 | static_cast<std::uint64_t>(i))},
                           {"max_tokens", flags.output_len},
                           {"temperature", 0},
                           {"ignore_eos", true},
                           {"stream", true},
                           {"stream_options", {{"include_usage", true}}}};
    bodies.push_back(body.dump());
  }
  return bodies;
}

std::string first_model(const LoadConfig& config) {
  auto models = nlohmann::json::parse(http_get(config, "/v1/models"), nullptr, false);
  if (!models.is_object() || !models.contains("data") || models["data"].empty())
    fail(ErrorKind::not_found, "the server names no model at /v1/models");
  return models["data"][0].value("id", "");
}

struct Gathered {
  std::vector<double> ttft, tpot, itl, e2e;  // milliseconds
  std::int64_t prompt_tokens = 0, completion_tokens = 0, answered = 0;
  std::string first_error;
};

Gathered gather(const std::vector<LoadSample>& samples) {
  Gathered all;
  for (const LoadSample& sample : samples) {
    if (!sample.error.empty() || sample.pieces.empty()) {
      if (all.first_error.empty()) all.first_error = sample.error.empty() ? "an answer without text" : sample.error;
      continue;
    }
    ++all.answered;
    all.prompt_tokens += sample.prompt_tokens;
    all.completion_tokens += sample.completion_tokens;
    all.ttft.push_back(1e3 * sample.pieces.front());
    all.e2e.push_back(1e3 * sample.end_seconds);
    if (sample.completion_tokens > 1)
      all.tpot.push_back(1e3 * (sample.pieces.back() - sample.pieces.front()) /
                         static_cast<double>(sample.completion_tokens - 1));
    for (std::size_t i = 1; i < sample.pieces.size(); ++i)
      all.itl.push_back(1e3 * (sample.pieces[i] - sample.pieces[i - 1]));
  }
  return all;
}

void print_table(const nlohmann::ordered_json& report) {
  fmt::print(
      "{} of {} requests answered in {:.2f} s: {:.2f} requests/s, {:.1f} output tokens/s, {:.1f} tokens/s in all\n",
      report["completed"].get<int>(), report["num_prompts"].get<int>(), report["duration_s"].get<double>(),
      report["requests_per_s"].get<double>(), report["output_tokens_per_s"].get<double>(),
      report["total_tokens_per_s"].get<double>());
  constexpr std::pair<const char*, const char*> kRows[] = {{"ttft_ms", "time to first token"},
                                                           {"tpot_ms", "time per output token"},
                                                           {"itl_ms", "between tokens"},
                                                           {"e2el_ms", "whole request"}};
  fmt::print("{:<24}{:>12}{:>12}{:>12}{:>12}\n", "milliseconds", "mean", "median", "p90", "p99");
  for (auto [key, title] : kRows) {
    const auto& row = report[key];
    fmt::print("{:<24}{:>12.2f}{:>12.2f}{:>12.2f}{:>12.2f}\n", title, row["mean"].get<double>(),
               row["median"].get<double>(), row["p90"].get<double>(), row["p99"].get<double>());
  }
}

int bench_serve(const ServeLoadFlags& flags) {
  std::atomic<bool> stop{false};
  SignalWatcher watcher([&](int) { return stop = true; });
  LoadConfig config = parse_load_url(flags.url);
  config.api_key = flags.api_key;
  config.request_rate = flags.request_rate;
  config.max_concurrency = flags.max_concurrency;
  config.seed = flags.seed;
  std::vector<std::string> bodies = make_bodies(flags, flags.model.empty() ? first_model(config) : flags.model);
  Progress bar("sending", "requests", flags.num_prompts);
  auto start = std::chrono::steady_clock::now();
  std::vector<LoadSample> samples = run_load(
      config, bodies, [&](std::size_t done) { bar.update(static_cast<std::int64_t>(done)); }, stop);
  double duration = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Gathered all = gather(samples);
  if (all.answered == 0) fail(ErrorKind::internal, "no request was answered; the first: {}", all.first_error);
  nlohmann::ordered_json report = {
      {"url", flags.url},
      {"num_prompts", flags.num_prompts},
      {"completed", all.answered},
      {"input_len", flags.input_len},
      {"output_len", flags.output_len},
      {"request_rate", flags.request_rate},
      {"max_concurrency", flags.max_concurrency},
      {"duration_s", duration},
      {"requests_per_s", static_cast<double>(all.answered) / duration},
      {"output_tokens_per_s", static_cast<double>(all.completion_tokens) / duration},
      {"total_tokens_per_s", static_cast<double>(all.prompt_tokens + all.completion_tokens) / duration},
      {"ttft_ms", distribution(all.ttft)},
      {"tpot_ms", distribution(all.tpot)},
      {"itl_ms", distribution(all.itl)},
      {"e2el_ms", distribution(all.e2e)}};
  if (flags.json != "-") print_table(report);
  if (!flags.json.empty()) write_report(flags.json, report);
  auto failed = static_cast<std::int64_t>(samples.size()) - all.answered;
  if (failed > 0) fmt::print(stderr, "cairn: {} requests failed; the first: {}\n", failed, all.first_error);
  return failed > 0 ? 1 : 0;
}

}  // namespace

void add_bench_serve(CLI::App& bench, Action& action) {
  auto flags = std::make_shared<ServeLoadFlags>();
  CLI::App* command =
      bench.add_subcommand("serve", "Send load to a running server on this machine and time its answers");
  command->add_option("--base-url", flags->url, "the server")->capture_default_str();
  command->add_option("--model", flags->model, "the model's name; none: the server's first");
  command->add_option("--api-key", flags->api_key, "the key to present")->envname("CAIRN_API_KEY");
  add_count(*command, "--input-len", flags->input_len, "prompt tokens of each request");
  add_count(*command, "--output-len", flags->output_len, "answer tokens of each request");
  add_count(*command, "--num-prompts", flags->num_prompts, "requests");
  command
      ->add_option("--request-rate", flags->request_rate, "requests a second, as they come at random; 0: all at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--max-concurrency", flags->max_concurrency, "most open requests; 0: no bound")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", flags->seed, "of prompts and gaps")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_json(*command, flags->json);
  command->callback([flags, &action] { action = [flags] { return bench_serve(*flags); }; });
}

}  // namespace cairn
