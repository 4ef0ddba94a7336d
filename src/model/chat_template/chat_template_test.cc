#include "model/chat_template/chat_template.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

std::string render(std::string_view source, const Json& variables = Json::object(), TemplateLimits limits = {}) {
  return ChatTemplate(source, limits).render(variables);
}

// The error that parsing or rendering ends with.
Error failure(std::string_view source, const Json& variables = Json::object(), TemplateLimits limits = {}) {
  try {
    render(source, variables, limits);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::internal, "no error");
}

TEST(ChatTemplate, ErrorsWhileParsingNameTheLine) {
  EXPECT_STREQ(failure("a\n\n{{ 1 + }}").what(), "chat template line 3: expected an expression, got '}}'");
  EXPECT_STREQ(failure("{% if x %}\na\n").what(),
               "chat template line 2: the template ends where elif or else or endif is missing");
  EXPECT_STREQ(failure("\n{% frob %}").what(), "chat template line 2: unknown tag 'frob'");
  EXPECT_STREQ(failure("{{ x|frob }}").what(), "chat template line 1: no filter named 'frob'");
  EXPECT_STREQ(failure("{{ x is frob }}").what(), "chat template line 1: no test named 'frob'");
  EXPECT_STREQ(failure("\n{{ (1, [2)] }}").what(), "chat template line 2: unexpected ')', expected ']'");
  EXPECT_STREQ(failure("{{ 'open }}").what(), "chat template line 1: a string that does not end");
  EXPECT_STREQ(failure("{# open").what(), "chat template line 1: missing end of comment tag");
  EXPECT_STREQ(failure("{{ 99999999999999999999 }}").what(),
               "chat template line 1: integer 99999999999999999999 is beyond 64 bits");
  EXPECT_STREQ(failure("{{ 0oz }}").what(), "chat template line 1: expected '}}', got 'oz'");
  EXPECT_STREQ(failure("{% break %}").what(), "chat template line 1: 'break' outside a loop");
  EXPECT_EQ(failure("{{ }}").kind(), ErrorKind::invalid_argument);
}

TEST(ChatTemplate, ErrorsWhileRenderingNameTheLine) {
  EXPECT_STREQ(failure("a\n{{ messages[0].role }}").what(), "chat template line 2: 'messages' is undefined");
  EXPECT_STREQ(failure("\n\n{{ raise_exception('roles must alternate') }}").what(),
               "chat template line 3: roles must alternate");
  EXPECT_STREQ(failure("{{ d.a.b }}", {{"d", Json::object()}}).what(),
               "chat template line 1: 'dict object' has no attribute 'a'");
  EXPECT_STREQ(failure("{{ 'a' + 1 }}").what(), "chat template line 1: can only concatenate str (not \"int\") to str");
  EXPECT_STREQ(failure("{% for x in 5 %}{% endfor %}").what(), "chat template line 1: 'int' object is not iterable");
  EXPECT_STREQ(failure("{% for a, b in [[1]] %}{% endfor %}").what(),
               "chat template line 1: not enough values to unpack (expected 2, got 1)");
  EXPECT_STREQ(failure("{{ 1 // 0 }}").what(), "chat template line 1: division by zero");
}

TEST(ChatTemplate, VariablesMustBeAnObject) {
  EXPECT_EQ(failure("x", Json::array()).kind(), ErrorKind::invalid_argument);
}

TEST(ChatTemplate, ValuesCannotBeChanged) {
  Json variables = {{"l", {1, 2}}, {"d", {{"a", 1}}}};
  for (const char* source : {"{{ l.append(3) }}", "{{ l.pop() }}", "{{ l.sort() }}", "{{ d.update({}) }}",
                             "{{ d.setdefault('b', 1) }}", "{{ d.pop('a') }}"}) {
    Error error = failure(source, variables);
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << source;
    EXPECT_NE(std::string(error.what()).find("unsafe"), std::string::npos) << error.what();
  }
}

TEST(ChatTemplate, WhatIsLeftOutSaysUnsupported) {
  for (const char* source :
       {"{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% block x %}{% endblock %}",
        "{% for x in [] recursive %}{% endfor %}", "{{ 'x'|urlize }}", "{{ '\\N{DASH}' }}"}) {
    EXPECT_EQ(failure(source).kind(), ErrorKind::unsupported) << source;
  }
  EXPECT_EQ(render("{% if false %}{{ 'x'|urlize }}{% endif %}ok"), "ok") << "only once it is reached";
}

TEST(ChatTemplate, IntegersOverflowAsErrors) {
  for (const char* source :
       {"{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 3037000500 ** 2 }}",
        "{{ 4611686018427387904 * 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ (-9223372036854775807 - 1)|abs }}", "{{ 1e30|int }}", "{{ big + 1 }}"}) {
    Error error = failure(source, {{"big", 18446744073709551615u}});
    EXPECT_NE(std::string(error.what()).find("overflow"), std::string::npos) << source << ": " << error.what();
  }
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
}

TEST(ChatTemplate, IllFormedBytesAreReplaced) {
  EXPECT_EQ(render("a\xFF{{ 'b\xC3' }}"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

TEST(ChatTemplate, MovesAndServesThreads) {
  ChatTemplate first("{% for m in messages %}{{ m.content|upper }}{% endfor %}");
  ChatTemplate moved(std::move(first));
  std::vector<std::thread> threads;
  std::vector<std::string> results(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&moved, &results, i] {
      Json variables = {{"messages", {{{"role", "user"}, {"content", fmt::format("n{}", i)}}}}};
      for (int round = 0; round < 50; ++round) results[static_cast<std::size_t>(i)] = moved.render(variables);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(results, (std::vector<std::string>{"N0", "N1", "N2", "N3"}));
}

std::string repeated(std::string_view part, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += part;
  return out;
}

void expect_exhausted(const std::string& source, const Json& variables = Json::object(), TemplateLimits limits = {}) {
  Error error = failure(source, variables, limits);
  EXPECT_EQ(error.kind(), ErrorKind::resource_exhausted) << source.substr(0, 120) << ": " << error.what();
  EXPECT_EQ(std::string(error.what()).rfind("chat template line ", 0), 0u) << error.what();
}

TEST(ChatTemplateLimits, NestingIsBounded) {
  expect_exhausted("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}");
  expect_exhausted("{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}");
  expect_exhausted("{{ " + repeated("not ", 5000) + "1 }}");
  expect_exhausted("{{ " + repeated("-", 5000) + "1 }}");
  expect_exhausted("{{ 1" + repeated(" + 1", 5000) + " }}");
  expect_exhausted("{{ x" + repeated("|string", 5000) + " }}");
  expect_exhausted("{{ x" + repeated(".x", 5000) + " }}");
  expect_exhausted("{{ 1" + repeated(" if 1 else 1", 5000) + " }}");
  expect_exhausted(repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000));
  expect_exhausted("{% for " + repeated("(", 5000) + "a" + repeated(")", 5000) + " in b %}{% endfor %}");
  EXPECT_EQ(render("{{ 1" + repeated(" + 1", 400) + " }}"), "401") << "chains may be longer than nesting is deep";
  EXPECT_EQ(render("{{ 'a'" + repeated(" ~ 'a'", 5000) + " }}"), repeated("a", 5001));
}

TEST(ChatTemplateLimits, MacroRecursionIsBounded) {
  expect_exhausted("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  expect_exhausted("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(50) }}");
}

TEST(ChatTemplateLimits, IterationsAreBounded) {
  TemplateLimits limits;
  limits.max_iterations = 1000;
  expect_exhausted("{% for i in range(1001) %}{% endfor %}", Json::object(), limits);
  expect_exhausted("{% for i in range(40) %}{% for j in range(40) %}{% endfor %}{% endfor %}", Json::object(), limits);
  expect_exhausted("{% for i in range(1001) if false %}{% endfor %}", Json::object(), limits);
  EXPECT_EQ(render("{% for i in range(1000) %}{% endfor %}ok", Json::object(), limits), "ok");
  expect_exhausted("{{ range(100001) }}");
  expect_exhausted("{{ range(-9223372036854775807, 9223372036854775807) }}");
}

TEST(ChatTemplateLimits, OutputIsBounded) {
  TemplateLimits limits;
  limits.max_output_bytes = 1000;
  expect_exhausted("{% for i in range(101) %}0123456789{% endfor %}", Json::object(), limits);
  expect_exhausted("{% set x %}{% for i in range(101) %}0123456789{% endfor %}{% endset %}", Json::object(), limits);
  EXPECT_EQ(render("{% for i in range(100) %}0123456789{% endfor %}", Json::object(), limits).size(), 1000u);
}

TEST(ChatTemplateLimits, TextCannotBeGrownPastTheLimit) {
  for (const char* source : {
           "{{ 'x' * 9223372036854775807 }}",
           "{{ [1] * 9223372036854775807 }}",
           "{{ ('x' * 1000000).replace('', 'y' * 1000) }}",
           "{{ 'x'.ljust(9223372036854775807) }}",
           "{{ 'x'|center(9223372036854775807) }}",
           "{{ (['x' * 100000] * 10000)|join }}",
           "{{ (['x'] * 1000000)|join('y' * 10000) }}",
           "{{ ('a\n' * 100000)|indent(100000) }}",
           "{{ 'x'|indent(9223372036854775807) }}",
           "{{ [1]|tojson(indent=9223372036854775807) }}",
           "{{ [1]|batch(9223372036854775807, 1)|list }}",
           "{% set ns = namespace(x='x') %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
           "{% set ns = namespace(x='x') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
           "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
           "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
           "ns.x|tojson }}",
           "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
           "{% set a = ns.x %}{% set ns.x = [1] %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
           "{{ a == ns.x }}",
       }) {
    expect_exhausted(source);
  }
  EXPECT_EQ(failure("{{ '%9999999999d' % 1 }}").kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(failure("{{ '{:9999999999}'.format(1) }}").kind(), ErrorKind::invalid_argument);
}

TEST(ChatTemplateLimits, CyclesAndLongChainsEnd) {
  expect_exhausted("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}");
  expect_exhausted(
      "{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}");
  EXPECT_EQ(render("{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}ok"),
            "ok");
}

TEST(ChatTemplateLimits, WorkIsBounded) {
  // Each step scans a long text; the loop limit alone would let it run for hours.
  expect_exhausted("{% set t = 'x' * 10000000 %}{% for i in range(90000) %}{% if 'y' in t %}{% endif %}{% endfor %}");
  expect_exhausted("{% set l = range(90000)|list %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}");
}

TEST(ChatTemplateLimits, DeepVariablesAreRefused) {
  Json deep = Json::array();
  for (int i = 0; i < 5000; ++i) deep = Json::array({std::move(deep)});
  expect_exhausted("x", {{"deep", std::move(deep)}});
}

}  // namespace
}  // namespace cairn
