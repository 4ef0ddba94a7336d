// cairn tokenize and cairn version.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "backends/cpu/isa.h"
#include "cli/commands.h"
#include "cli/model_names.h"
#include "model/checkpoint/checkpoint.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {
namespace {

struct TokenizeFlags {
  std::string model, text;
  bool add_special_tokens = true;
};

int tokenize(const TokenizeFlags& flags) {
  auto tokenizer = Tokenizer::create(Checkpoint::open(resolve_model(flags.model))->tokenizer());
  std::vector<int> ids = tokenizer->encode(flags.text, flags.add_special_tokens);
  for (int id : ids)
    fmt::print("{:>7}  {}\n", id,
               nlohmann::json(std::string(tokenizer->token_bytes(id)))
                   .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  fmt::print("{} tokens\n", ids.size());
  return 0;
}

int print_version() {
  std::vector<std::string_view> names;
  for (Isa isa : supported_isas()) names.push_back(to_string(isa));
  fmt::print("cairn {}\ninstruction sets here: {}; in use: {}\n", CAIRN_VERSION, fmt::join(names, ", "),
             to_string(choose_isa()));
  return 0;
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text");
  command->add_option("MODEL,--model", flags->model, "a model, or its name in the model folder");
  command->add_option("TEXT", flags->text, "the text")->required();
  command->add_flag("--add-special-tokens,!--no-add-special-tokens", flags->add_special_tokens,
                    "begin and end as the model's prompts do (default)");
  command->callback([flags, &action] { action = [flags] { return tokenize(*flags); }; });
}

void add_version(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("version", "Print the version and this processor's instruction sets");
  command->callback([&action] { action = print_version; });
}

}  // namespace cairn
