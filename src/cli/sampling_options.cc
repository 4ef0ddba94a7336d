#include "cli/sampling_options.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "server/fields.h"

namespace cairn {
namespace {

// How a field's value looks; decides how a flag's text is read.
enum class Kind { number, integer, boolean, strings, integers, bias };

struct Field {
  std::string_view name;
  Kind kind;
  std::string_view doc;
  void (*set)(SamplingParams&, const Json&);
};

constexpr std::size_t kShown = 60;  // bytes of a wrong value that a message repeats

// nlohmann's get<> converts silently; these do not.
int whole(const Json& value) {
  std::optional<int> number = server::to_int(value);
  if (!number) fail_invalid("an integer of 32 bits");
  return *number;
}
std::int64_t long_whole(const Json& value) {
  std::optional<std::int64_t> number = server::to_int64(value);
  if (!number) fail_invalid("an integer of 64 bits");
  return *number;
}
double real(const Json& value) {
  if (!value.is_number()) fail_invalid("a number");
  return value.get<double>();
}
bool truth(const Json& value) {
  if (!value.is_boolean()) fail_invalid("true or false");
  return value.get<bool>();
}
std::vector<std::string> texts(const Json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_string(); }))
    fail_invalid("a string or a list of strings");
  return value.get<std::vector<std::string>>();
}
std::vector<int> ids(const Json& value) {
  return server::to_ints(value, [](const Json&) { fail_invalid("a list of token ids, integers of 32 bits"); });
}
std::vector<std::pair<int, double>> biases(const Json& value) {
  if (!value.is_object()) fail_invalid("an object from token id to bias");
  std::vector<std::pair<int, double>> all;
  for (const auto& [key, bias] : value.items()) {
    int id = 0;
    auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) fail_invalid("an object from token id to bias");
    all.emplace_back(id, real(bias));
  }
  return all;
}

constexpr Field kFields[] = {
    {"max_tokens", Kind::integer, "most tokens of an answer",
     [](SamplingParams& p, const Json& v) { p.max_tokens = whole(v); }},
    {"min_tokens", Kind::integer, "tokens before any stop counts",
     [](SamplingParams& p, const Json& v) { p.min_tokens = whole(v); }},
    {"temperature", Kind::number, "0 is greedy", [](SamplingParams& p, const Json& v) { p.temperature = real(v); }},
    {"top_p", Kind::number, "keep the likeliest tokens of this share",
     [](SamplingParams& p, const Json& v) { p.top_p = real(v); }},
    {"top_k", Kind::integer, "keep the k likeliest tokens; 0 keeps all",
     [](SamplingParams& p, const Json& v) { p.top_k = whole(v); }},
    {"min_p", Kind::number, "keep tokens this likely against the likeliest",
     [](SamplingParams& p, const Json& v) { p.min_p = real(v); }},
    {"seed", Kind::integer, "makes draws repeatable", [](SamplingParams& p, const Json& v) { p.seed = long_whole(v); }},
    {"n", Kind::integer, "answers to each prompt", [](SamplingParams& p, const Json& v) { p.n = whole(v); }},
    {"stop", Kind::strings, "text that ends the answer (may be repeated)",
     [](SamplingParams& p, const Json& v) { p.stop = texts(v); }},
    {"stop_token_ids", Kind::integers, "token ids that end the answer",
     [](SamplingParams& p, const Json& v) { p.stop_token_ids = ids(v); }},
    {"include_stop_str_in_output", Kind::boolean, "keep the stop text",
     [](SamplingParams& p, const Json& v) { p.include_stop_str_in_output = truth(v); }},
    {"ignore_eos", Kind::boolean, "go on after the end token",
     [](SamplingParams& p, const Json& v) { p.ignore_eos = truth(v); }},
    {"skip_special_tokens", Kind::boolean, "leave special tokens out of the text",
     [](SamplingParams& p, const Json& v) { p.skip_special_tokens = truth(v); }},
    {"repetition_penalty", Kind::number, "above 1 discourages what was said",
     [](SamplingParams& p, const Json& v) { p.repetition_penalty = real(v); }},
    {"presence_penalty", Kind::number, "above 0 discourages what was generated",
     [](SamplingParams& p, const Json& v) { p.presence_penalty = real(v); }},
    {"frequency_penalty", Kind::number, "the same by count",
     [](SamplingParams& p, const Json& v) { p.frequency_penalty = real(v); }},
    {"logit_bias", Kind::bias, "JSON object from token id to bias",
     [](SamplingParams& p, const Json& v) { p.logit_bias = biases(v); }},
    {"bad_words", Kind::strings, "words never to say (may be repeated)",
     [](SamplingParams& p, const Json& v) { p.bad_words = texts(v); }},
    {"allowed_token_ids", Kind::integers, "the only token ids to say",
     [](SamplingParams& p, const Json& v) { p.allowed_token_ids = ids(v); }},
    {"logprobs", Kind::integer, "log-probabilities of so many tokens a position",
     [](SamplingParams& p, const Json& v) { p.logprobs = whole(v); }},
    {"prompt_logprobs", Kind::integer, "the same for the prompt",
     [](SamplingParams& p, const Json& v) { p.prompt_logprobs = whole(v); }},
};

void set_field(const Field& field, SamplingParams& params, const Json& value) {
  try {
    field.set(params, value);
  } catch (const Error& error) {
    fail_invalid("{} is {}; it takes {}", field.name, shorten(server::to_text(value), kShown), error.what());
  }
}

Json parse_flag(const std::string& flag, const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) fail_invalid("{} '{}': not a number or JSON", flag, text);
  return value;
}

}  // namespace

bool set_sampling_field(SamplingParams& params, std::string_view name, const Json& value) {
  if (name == "max_completion_tokens") name = "max_tokens";
  const auto* field =
      std::find_if(std::begin(kFields), std::end(kFields), [&](const Field& f) { return f.name == name; });
  if (field == std::end(kFields)) return false;
  if (!value.is_null()) set_field(*field, params, value);
  return true;
}

SamplingParams default_sampling(const GenerationConfig& generation) {
  SamplingParams params;
  params.max_tokens.reset();
  if (generation.temperature) params.temperature = *generation.temperature;
  if (generation.top_p) params.top_p = *generation.top_p;
  if (generation.top_k) params.top_k = *generation.top_k;
  if (generation.min_p) params.min_p = *generation.min_p;
  if (generation.repetition_penalty) params.repetition_penalty = *generation.repetition_penalty;
  return params;
}

void SamplingFlags::add_to(CLI::App& command) {
  for (const Field& field : kFields) {
    std::string name(field.name), flag = "--" + name, doc(field.doc);
    std::replace(flag.begin(), flag.end(), '_', '-');
    CLI::Option* option = nullptr;
    if (field.kind == Kind::boolean) {
      option = command.add_flag_function(
          flag + ",!--no-" + flag.substr(2), [this, name](std::int64_t count) { given_[name] = count > 0; }, doc);
    } else if (field.kind == Kind::strings) {
      option = command.add_option_function<std::vector<std::string>>(
          flag, [this, name](const std::vector<std::string>& all) { given_[name] = all; }, doc);
      option->allow_extra_args(false);
    } else if (field.kind == Kind::integers) {
      option = command.add_option_function<std::vector<int>>(
          flag, [this, name](const std::vector<int>& all) { given_[name] = all; }, doc);
      option->delimiter(',')->allow_extra_args(false);
    } else {
      option = command.add_option_function<std::string>(
          flag, [this, name, flag](const std::string& text) { given_[name] = parse_flag(flag, text); }, doc);
    }
    option->group("Sampling");
  }
}

void SamplingFlags::apply(SamplingParams& params) const {
  for (const auto& [name, value] : given_.items()) set_sampling_field(params, name, value);
}

}  // namespace cairn
