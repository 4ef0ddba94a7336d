// Renderings compared with jinja2's, as recorded by tests/reference/make_template_cases.py.
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/chat_template/chat_template.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

const std::string kData = CAIRN_SOURCE_DIR "/tests/reference/data/";

Json load_cases() { return Json::parse(read_text_file(kData + "template_cases.json")); }

// The rendering, or null when the template refuses.
Json outcome(const std::string& source, const Json& variables) {
  try {
    return ChatTemplate(source).render(variables);
  } catch (const Error&) {
    return nullptr;
  }
}

TEST(ChatTemplateReference, TemplatesRenderAsJinja2) {
  Json cases = load_cases();
  ASSERT_GE(cases["templates"].size(), 5u);
  for (const auto& [name, expected] : cases["templates"].items()) {
    std::string source = read_text_file(kData + "templates/" + name);
    ASSERT_EQ(expected.size(), cases["conversations"].size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(outcome(source, cases["conversations"][i]), expected[i]) << name << ", conversation " << i;
    }
  }
}

TEST(ChatTemplateReference, SnippetsRenderAsJinja2) {
  Json cases = load_cases();
  std::istringstream lines(read_text_file(kData + "template_snippets.txt"));
  std::string line;
  std::size_t count = 0;
  while (std::getline(lines, line)) {
    ASSERT_LT(count, cases["snippets"].size());
    EXPECT_EQ(outcome(line, cases["snippet_variables"]), cases["snippets"][count]) << line;
    ++count;
  }
  EXPECT_EQ(count, cases["snippets"].size());
}

}  // namespace
}  // namespace cairn
