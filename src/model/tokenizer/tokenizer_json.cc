// Reads tokenizer.json, the format of Hugging Face's tokenizers library.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/tokenizer/json_fields.h"
#include "model/tokenizer/regex_dialect.h"
#include "model/tokenizer/tokenizer_parts.h"

namespace cairn {
namespace {

constexpr int kMaxNesting = 8;  // of Sequence within Sequence

nlohmann::json parse(const std::string& text) {
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail_invalid("tokenizer.json: {}", std::string_view(error.what()).substr(0, 300));
  }
}

// Calls visit(field, type) for a step, or for each step of a Sequence, which lists them under `list_key`.
template <typename Visit>
void for_each_step(const JsonField& field, const char* list_key, const Visit& visit, int depth = 0) {
  const std::string& type = field.at("type").text();
  if (type != "Sequence") {
    visit(field, type);
    return;
  }
  if (depth >= kMaxNesting)
    fail_invalid("tokenizer.json: {}: Sequences are nested over {} deep", field.path(), kMaxNesting);
  JsonField list = field.at(list_key);
  for (std::size_t i = 0, size = list.array_size(); i < size; ++i) for_each_step(list[i], list_key, visit, depth + 1);
}

std::unique_ptr<Vocabulary> read_vocabulary(const JsonField& model, std::size_t added_count) {
  JsonField tokens = model.at("vocab");
  if (!tokens.value().is_object()) tokens.fail_expected("an object of token to id");
  auto vocabulary = std::make_unique<Vocabulary>(tokens.value().size() + added_count);
  for (auto item = tokens.value().begin(); item != tokens.value().end(); ++item) {
    if (!item->is_number_integer())
      fail_invalid("tokenizer.json: model.vocab: the id of token '{}' is not an integer", item.key().substr(0, 80));
    vocabulary->add(JsonField(*item, "model.vocab").integer(), item.key());
  }
  return vocabulary;
}

std::vector<AddedToken> read_added_tokens(const JsonField& root, Vocabulary& vocabulary) {
  std::vector<AddedToken> added;
  std::optional<JsonField> list = root.find("added_tokens");
  for (std::size_t i = 0, size = list ? list->array_size() : 0; i < size; ++i) {
    JsonField field = (*list)[i];
    AddedToken token;
    token.content = field.at("content").text();
    std::int64_t id = field.at("id").integer();
    token.special = field.flag("special", false);
    token.single_word = field.flag("single_word", false);
    token.lstrip = field.flag("lstrip", false);
    token.rstrip = field.flag("rstrip", false);
    token.normalized = field.flag("normalized", !token.special);
    std::optional<int> known = vocabulary.find(token.content);
    if (!known)
      vocabulary.add(id, token.content);
    else if (*known != id)
      fail_invalid("tokenizer.json: {}: token '{}' has id {} here and {} in the vocabulary", field.path(),
                   std::string_view(token.content).substr(0, 80), id, *known);
    token.id = static_cast<int>(id);
    added.push_back(std::move(token));
  }
  return added;
}

Bpe::MergeRule read_merge(const JsonField& list, std::size_t index) {
  const nlohmann::json& value = list.value()[index];
  if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string())
    return {value[0].get_ref<const std::string&>(), value[1].get_ref<const std::string&>()};
  if (!value.is_string()) list[index].fail_expected("\"left right\" or [\"left\", \"right\"]");
  std::string_view both = value.get_ref<const std::string&>();
  std::size_t space = both.find(' ');
  if (space == both.npos || both.find(' ', space + 1) != both.npos)
    fail_invalid("tokenizer.json: model.merges[{}]: '{}' is not two tokens with one space between", index,
                 both.substr(0, 80));
  return {both.substr(0, space), both.substr(space + 1)};
}

std::unique_ptr<const Bpe> read_bpe(const JsonField& model, const Vocabulary& vocabulary) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    std::optional<JsonField> affix = model.find(key);
    if (affix && !affix->text().empty()) affix->fail_unsupported("only byte-level BPE without affixes is supported");
  }
  if (std::optional<JsonField> dropout = model.find("dropout"); dropout && dropout->value() != 0.0)
    dropout->fail_unsupported("dropout makes encoding random; set it to null");
  if (model.flag("byte_fallback", false)) model.at("byte_fallback").fail_unsupported("byte fallback is not supported");
  BpeOptions options;
  options.ignore_merges = model.flag("ignore_merges", false);
  options.fuse_unknown = model.flag("fuse_unk", false);
  if (std::optional<JsonField> unknown = model.find("unk_token")) {
    options.unknown_token = vocabulary.find(unknown->text());
    if (!options.unknown_token)
      fail_invalid("tokenizer.json: {}: '{}' is not in the vocabulary", unknown->path(), unknown->text());
  }
  JsonField list = model.at("merges");
  std::vector<Bpe::MergeRule> rules;
  rules.reserve(list.array_size());
  for (std::size_t i = 0, size = list.array_size(); i < size; ++i) rules.push_back(read_merge(list, i));
  return std::make_unique<const Bpe>(vocabulary, rules, options);
}

Normalizer read_normalizer(const JsonField& root) {
  std::vector<NormalForm> forms;
  if (std::optional<JsonField> field = root.find("normalizer")) {
    for_each_step(*field, "normalizers", [&](const JsonField& step, const std::string& type) {
      static constexpr std::array<std::string_view, 4> names = {"NFC", "NFD", "NFKC", "NFKD"};
      auto found = std::find(names.begin(), names.end(), type);
      if (found == names.end())
        step.fail_unsupported(fmt::format("normalizer '{}' is not supported (NFC, NFD, NFKC, NFKD are)", type));
      forms.push_back(static_cast<NormalForm>(found - names.begin()));
    });
  }
  return Normalizer(forms);
}

SplitBehavior read_behavior(const JsonField& field) {
  static constexpr std::array<std::string_view, 5> names = {"Removed", "Isolated", "MergedWithPrevious",
                                                            "MergedWithNext", "Contiguous"};
  auto found = std::find(names.begin(), names.end(), field.text());
  if (found == names.end())
    field.fail_unsupported(fmt::format("split behavior '{}' is none of {}", field.text(), fmt::join(names, ", ")));
  return static_cast<SplitBehavior>(found - names.begin());
}

std::string escape_literal(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view(R"(\^$.|?*+()[]{}-#)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

SplitStep read_split(const JsonField& step) {
  JsonField source = step.at("pattern");
  std::optional<JsonField> literal = source.find("String");
  std::string pattern = literal ? escape_literal(literal->text()) : to_pcre2(source.at("Regex").text(), source.path());
  return {Pattern(pattern, "tokenizer.json: " + source.path()), read_behavior(step.at("behavior")),
          step.flag("invert", false)};
}

PreTokenizer read_pre_tokenizer(const JsonField& root) {
  PreTokenizer pre_tokenizer;
  bool byte_level = false;
  auto read_step = [&](const JsonField& step, const std::string& type) {
    if (byte_level) step.fail_unsupported("ByteLevel is supported as the last pre-tokenizer only");
    if (type == "Split") {
      pre_tokenizer.add_step(read_split(step));
    } else if (type == "Digits") {
      bool individual = step.flag("individual_digits", false);
      SplitBehavior behavior = individual ? SplitBehavior::isolated : SplitBehavior::contiguous;
      pre_tokenizer.add_step({Pattern(numeric_pattern(), step.path()), behavior});
    } else if (type == "ByteLevel") {
      byte_level = true;
      if (step.flag("add_prefix_space", true)) pre_tokenizer.add_prefix_space();
      if (step.flag("use_regex", true))
        pre_tokenizer.add_step({Pattern(to_pcre2(kGpt2Pattern, step.path()), step.path())});
    } else {
      step.fail_unsupported(
          fmt::format("pre-tokenizer '{}' is not supported (Split, Digits, ByteLevel and Sequence are)", type));
    }
  };
  if (std::optional<JsonField> field = root.find("pre_tokenizer")) for_each_step(*field, "pretokenizers", read_step);
  if (!byte_level)
    fail(ErrorKind::unsupported,
         "tokenizer.json: pre_tokenizer: has no ByteLevel step; only byte-level BPE is supported");
  return pre_tokenizer;
}

int checked_id(const JsonField& field, const Vocabulary& vocabulary) {
  std::int64_t id = field.integer();
  if (id < 0 || id >= vocabulary.size() || !vocabulary.contains(static_cast<int>(id)))
    fail_invalid("tokenizer.json: {}: id {} is not in the vocabulary", field.path(), id);
  return static_cast<int>(id);
}

// The ids before and behind the text in a TemplateProcessing.
void read_template(const JsonField& step, const Vocabulary& vocabulary, std::vector<int>& before,
                   std::vector<int>& behind) {
  JsonField pieces = step.at("single");
  bool seen_text = false;
  for (std::size_t i = 0, size = pieces.array_size(); i < size; ++i) {
    if (std::optional<JsonField> sequence = pieces[i].find("Sequence")) {
      if (seen_text || sequence->at("id").text() != "A")
        sequence->fail_unsupported("a template for one text must hold sequence A once");
      seen_text = true;
      continue;
    }
    const std::string& name = pieces[i].at("SpecialToken").at("id").text();
    JsonField ids = step.at("special_tokens").at(name.c_str()).at("ids");
    for (std::size_t j = 0, count = ids.array_size(); j < count; ++j)
      (seen_text ? behind : before).push_back(checked_id(ids[j], vocabulary));
  }
  if (!seen_text) fail_invalid("tokenizer.json: {}: the template lacks sequence A", pieces.path());
}

void read_post_processor(const JsonField& root, TokenizerParts& parts) {
  std::optional<JsonField> field = root.find("post_processor");
  if (!field) return;
  for_each_step(*field, "processors", [&](const JsonField& step, const std::string& type) {
    std::vector<int> before, behind;
    if (type == "TemplateProcessing") {
      read_template(step, *parts.vocabulary, before, behind);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      for (auto [key, ids] : {std::pair{"cls", &before}, std::pair{"sep", &behind}}) {
        JsonField pair = step.at(key);
        if (pair.array_size() != 2) pair.fail_expected("[token, id]");
        ids->push_back(checked_id(pair[1], *parts.vocabulary));
      }
    } else if (type != "ByteLevel") {  // which only touches offsets
      step.fail_unsupported(fmt::format("post-processor '{}' is not supported", type));
    }
    parts.prefix.insert(parts.prefix.begin(), before.begin(), before.end());
    parts.suffix.insert(parts.suffix.end(), behind.begin(), behind.end());
  });
}

void check_decoder(const JsonField& root) {
  for_each_step(root.at("decoder"), "decoders", [](const JsonField& step, const std::string& type) {
    if (type != "ByteLevel") step.fail_unsupported(fmt::format("decoder '{}' is not supported (ByteLevel is)", type));
  });
}

}  // namespace

TokenizerParts read_tokenizer_json(const TokenizerData& data) {
  nlohmann::json document = parse(data.json);
  JsonField root(document, "");
  JsonField model = root.at("model");
  // GPT-2's own file has no type.
  if (std::optional<JsonField> type = model.find("type"); type && type->text() != "BPE")
    type->fail_unsupported(fmt::format("tokenizer model '{}' is not supported (byte-level BPE is)", type->text()));
  TokenizerParts parts;
  std::optional<JsonField> added = root.find("added_tokens");
  auto vocabulary = read_vocabulary(model, added ? added->array_size() : 0);
  parts.added_tokens = read_added_tokens(root, *vocabulary);
  parts.bpe = read_bpe(model, *vocabulary);
  parts.vocabulary = std::move(vocabulary);
  parts.normalizer = read_normalizer(root);
  parts.pre_tokenizer = read_pre_tokenizer(root);
  read_post_processor(root, parts);
  check_decoder(root);
  return parts;
}

}  // namespace cairn
