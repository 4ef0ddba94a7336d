#include "cli/batch_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "server/fields.h"

namespace cairn {
namespace {

std::vector<int> prompt_ids(const Json& request, const ModelText& model) {
  if (request.contains("prompt") == request.contains("messages")) fail_invalid("needs either prompt or messages");
  if (request.contains("messages")) {
    if (!request["messages"].is_array() || request["messages"].empty())
      fail_invalid("messages must be a list that is not empty");
    return model.tokenizer->encode(render_chat(model, request["messages"]), false);
  }
  const Json& prompt = request["prompt"];
  if (prompt.is_string()) return model.tokenizer->encode(prompt.get_ref<const std::string&>(), true);
  return server::to_ints(prompt, [](const Json&) { fail_invalid("prompt must be a string or a list of token ids"); });
}

BatchJob parse_request(const Json& request, const ModelText& model, const SamplingParams& defaults) {
  BatchJob job;
  job.params = defaults;
  for (const auto& [key, value] : request.items()) {
    if (key == "prompt" || key == "messages" || key == "custom_id" || key == "model") continue;
    if (!set_sampling_field(job.params, key, value)) fail_invalid("'{}' is not a sampling parameter", key);
  }
  if (job.params.n < 1) fail_invalid("n must be at least 1, got {}.", job.params.n);
  job.prompt = prompt_ids(request, model);
  return job;
}

Json logprob_json(const TokenLogprob& entry) {
  return {{"token_id", entry.token_id}, {"logprob", entry.logprob}, {"rank", entry.rank}};
}

// Whether a line is answer_json's for that request, by its first and last bytes: a large file is not parsed anew.
bool answers(std::string_view line, const Json& id) {
  std::string beginning = server::to_text({{"custom_id", id}});
  beginning.pop_back();
  return line.starts_with(beginning) && line.ends_with('}') &&
         (line[beginning.size()] == ',' || line.size() == beginning.size() + 1);
}

}  // namespace

std::vector<BatchLine> read_batch(const std::string& text, const ModelText& model, const SamplingParams& defaults) {
  std::vector<BatchLine> lines;
  std::istringstream input(text);
  std::string line;
  for (int number = 1; std::getline(input, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    BatchLine& parsed = lines.emplace_back();
    parsed.id = number;
    try {
      Json request = server::parse_json(line, {}, "the line");
      if (!request.is_object()) fail_invalid("not a JSON object");
      if (auto id = request.find("custom_id"); id != request.end() && !id->is_null()) parsed.id = *id;
      parsed.job = parse_request(request, model, defaults);
    } catch (const Error& error) {
      parsed.job.error = fmt::format("line {}: {}", number, error.what());
    }
  }
  return lines;
}

Json answer_json(const Json& id, const BatchAnswer& answer) {
  Json line = {{"custom_id", id}};
  if (!answer.error.empty()) {
    line["error"] = {{"message", answer.error}};
    return line;
  }
  line["choices"] = Json::array();
  int index = 0;
  for (const BatchChoice& choice : answer.choices) {
    Json item = {{"index", index++}, {"text", choice.text}, {"finish_reason", choice.finish_reason}};
    for (const PositionLogprobs& position : choice.logprobs) {
      Json entry = logprob_json(position.chosen);
      for (const TokenLogprob& top : position.top) entry["top"].push_back(logprob_json(top));
      item["logprobs"].push_back(std::move(entry));
    }
    line["choices"].push_back(std::move(item));
  }
  line["usage"] = {{"prompt_tokens", answer.prompt_tokens},
                   {"completion_tokens", answer.completion_tokens},
                   {"total_tokens", answer.prompt_tokens + answer.completion_tokens},
                   {"prompt_tokens_details", {{"cached_tokens", answer.cached_tokens}}}};
  return line;
}

LineFile::LineFile(const std::string& path, std::uint64_t keep) : path_(path) {
  if (path == "-") {
    file_ = stdout;
    return;
  }
  if (keep > 0) std::filesystem::resize_file(path, keep);
  file_ = std::fopen(path.c_str(), keep > 0 ? "a" : "w");
  if (!file_) fail_invalid("cannot write {}: {}", path, std::strerror(errno));
}

LineFile::~LineFile() {
  if (file_ != stdout) std::fclose(file_);
}

void LineFile::write(const Json& value) {
  std::string line = server::to_text(value) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0)
    fail(ErrorKind::resource_exhausted, "cannot write {}: {}", path_, std::strerror(errno));
}

std::uint64_t skip_answered(std::vector<BatchLine>& lines, const std::string& path) {
  if (path == "-" || !std::filesystem::exists(path)) return 0;
  const std::string before = read_text_file(path, std::size_t{1} << 40);
  std::size_t answered = 0, kept = 0;
  for (std::size_t end = 0; (end = before.find('\n', kept)) != std::string::npos; kept = end + 1, ++answered)
    if (answered == lines.size() || !answers(std::string_view(before).substr(kept, end - kept), lines[answered].id))
      fail_invalid("cannot resume: line {} of {} does not answer request {} of the {} given", answered + 1, path,
                   answered + 1, lines.size());
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(answered));
  return kept;
}

}  // namespace cairn
