#include "model/chat_template/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/text.h"
#include "model/chat_template/expression_parser.h"
#include "model/chat_template/token_stream.h"

namespace cairn::jinja {

namespace {

// A chain of operators may be longer than nesting is deep.
constexpr int kHeightPerDepth = 8;

// The source with '\n' line ends, without one final newline (jinja2 drops it), and well-formed.
std::string normalized(std::string_view source) {
  std::string clean = sanitize_utf8(source);
  std::string out;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    if (clean[i] != '\r') {
      out += clean[i];
    } else if (i + 1 == clean.size() || clean[i + 1] != '\n') {
      out += '\n';
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Parser {
 public:
  Parser(Program& program, const TemplateLimits& limits)
      : stream_(tokenize(program.source), limits.max_depth),
        expressions_(stream_, program.strings, limits.max_depth * kHeightPerDepth) {}

  Body run() {
    Body body;
    read_body(body, {});
    return body;
  }

 private:
  using EndTags = std::initializer_list<std::string_view>;

  // Reads statements up to one of `end_tags`, whose name it leaves unread; up to the end of the template if there are
  // none.
  void read_body(Body& body, EndTags end_tags) {
    TokenStream::Nesting nesting(stream_);
    while (!stream_.at(TokenType::end)) {
      int line = stream_.line();
      if (stream_.at(TokenType::data)) {
        add(body, line, TextOutput{stream_.next().text});
      } else if (stream_.at(TokenType::variable_begin)) {
        stream_.next();
        add(body, line, ExpressionOutput{expressions_.expression_list()});
        stream_.expect(TokenType::variable_end, "'}}'");
      } else {
        stream_.expect(TokenType::block_begin, "a tag");
        for (std::string_view tag : end_tags) {
          if (stream_.at_name(tag)) return;
        }
        statement(body, end_tags);
        stream_.expect(TokenType::block_end, "'%}'");
      }
    }
    if (end_tags.size() > 0) missing_end(end_tags);
  }

  [[noreturn]] void missing_end(EndTags end_tags) {
    fail_invalid("chat template line {}: the template ends where {} is missing", stream_.line(),
                 fmt::join(end_tags, " or "));
  }

  // A body between this tag's '%}' and `{% end_tag`, both read.
  Body block_body(std::string_view end_tag) {
    open_block();
    Body body;
    read_body(body, {end_tag});
    stream_.next();
    return body;
  }

  void open_block() {
    stream_.skip_symbol(":");
    stream_.expect(TokenType::block_end, "'%}'");
  }

  template <typename Node>
  static void add(Body& body, int line, Node node) {
    Statement& statement = body.emplace_back();
    statement.line = line;
    statement.node = std::move(node);
  }

  void statement(Body& body, EndTags end_tags) {
    int line = stream_.line();
    std::string_view tag = stream_.expect_name();
    if (tag == "if") return add(body, line, if_statement());
    if (tag == "for") return add(body, line, for_statement());
    if (tag == "set") return set_statement(body, line);
    if (tag == "macro") return add(body, line, MacroStatement{macro()});
    if (tag == "call") return add(body, line, call_block());
    if (tag == "filter") return add(body, line, filter_block());
    if (tag == "with") return add(body, line, with_statement());
    if (tag == "generation") return add(body, line, Generation{block_body("endgeneration")});
    if (tag == "print") return print_statement(body, line);
    if (tag == "break") return add(body, line, require_loop(line, Break{}, tag));
    if (tag == "continue") return add(body, line, require_loop(line, Continue{}, tag));
    constexpr std::array<std::string_view, 6> kUnsupported = {"include", "import", "from",
                                                              "extends", "block",  "autoescape"};
    if (std::find(kUnsupported.begin(), kUnsupported.end(), tag) != kUnsupported.end()) {
      fail(ErrorKind::unsupported, "chat template line {}: the tag '{}' is unsupported", line, tag);
    }
    if (end_tags.size() == 0) fail_invalid("chat template line {}: unknown tag '{}'", line, tag);
    fail_invalid("chat template line {}: unknown tag '{}', expected {}", line, tag, fmt::join(end_tags, " or "));
  }

  template <typename Node>
  Node require_loop(int line, Node node, std::string_view tag) {
    if (loops_ == 0) fail_invalid("chat template line {}: '{}' outside a loop", line, tag);
    return node;
  }

  If if_statement() {
    If node;
    std::string_view tag = "if";
    while (tag != "else" && tag != "endif") {
      ExpressionPtr condition = expressions_.expression_list(false);
      open_block();
      Body body;
      read_body(body, {"elif", "else", "endif"});
      node.branches.emplace_back(std::move(condition), std::move(body));
      tag = stream_.expect_name();
    }
    if (tag == "else") node.otherwise = block_body("endif");
    return node;
  }

  For for_statement() {
    For node;
    node.target = expressions_.target(false);
    if (!stream_.skip_name("in")) stream_.unexpected("'in'");
    node.items = expressions_.expression_list(false);
    if (stream_.skip_name("if")) node.condition = expressions_.expression();
    if (stream_.at_name("recursive")) {
      fail(ErrorKind::unsupported, "chat template line {}: recursive loops are unsupported", stream_.line());
    }
    open_block();
    ++loops_;
    read_body(node.body, {"endfor", "else"});
    --loops_;
    if (stream_.expect_name() == "else") node.otherwise = block_body("endfor");
    return node;
  }

  void set_statement(Body& body, int line) {
    Target target = expressions_.target(true);
    if (stream_.skip_symbol("=")) return add(body, line, Set{std::move(target), expressions_.expression_list()});
    std::vector<FilterUse> filters = expressions_.filters();
    add(body, line, SetBlock{std::move(target), std::move(filters), block_body("endset")});
  }

  void print_statement(Body& body, int line) {
    do {
      add(body, line, ExpressionOutput{expressions_.expression()});
    } while (stream_.skip_symbol(","));
  }

  void parameters(MacroDefinition& definition) {
    stream_.expect_symbol("(");
    while (!stream_.at_symbol(")")) {
      Parameter& parameter = definition.parameters.emplace_back();
      parameter.name = stream_.expect_name();
      if (stream_.skip_symbol("=")) {
        parameter.fallback = expressions_.expression();
      } else if (definition.parameters.size() > 1 && definition.parameters.end()[-2].fallback) {
        stream_.unexpected("a default for the parameter, as the one before has one");
      }
      if (!stream_.skip_symbol(",")) break;
    }
    stream_.expect_symbol(")");
  }

  MacroDefinition macro() {
    MacroDefinition definition;
    definition.name = stream_.expect_name();
    parameters(definition);
    return macro_body(std::move(definition), "endmacro");
  }

  // A macro's body and its end tag. Loops around it are not its own.
  MacroDefinition macro_body(MacroDefinition definition, std::string_view end_tag) {
    ExpressionParser::SpecialNames before = expressions_.special_names();
    int loops = std::exchange(loops_, 0);
    definition.body = block_body(end_tag);
    loops_ = loops;
    const ExpressionParser::SpecialNames& after = expressions_.special_names();
    definition.uses_varargs = after.varargs > before.varargs;
    definition.uses_kwargs = after.kwargs > before.kwargs;
    definition.uses_caller = after.caller > before.caller;
    return definition;
  }

  CallBlock call_block() {
    CallBlock node;
    node.caller.name = "caller";
    if (stream_.at_symbol("(")) parameters(node.caller);
    node.call = expressions_.call_expression();
    node.caller = macro_body(std::move(node.caller), "endcall");
    return node;
  }

  FilterBlock filter_block() {
    FilterBlock node;
    node.filters.push_back(expressions_.filter());
    for (FilterUse& filter : expressions_.filters()) node.filters.push_back(std::move(filter));
    node.body = block_body("endfilter");
    return node;
  }

  With with_statement() {
    With node;
    while (!stream_.at(TokenType::block_end)) {
      Target target = expressions_.target(false);
      stream_.expect_symbol("=");
      node.bindings.emplace_back(std::move(target), expressions_.expression());
      if (!stream_.skip_symbol(",")) break;
    }
    node.body = block_body("endwith");
    return node;
  }

  TokenStream stream_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around this place
};

}  // namespace

std::unique_ptr<const Program> parse(std::string_view source, const TemplateLimits& limits) {
  auto program = std::make_unique<Program>();
  program->source = normalized(source);
  program->body = Parser(*program, limits).run();
  return program;
}

}  // namespace cairn::jinja
