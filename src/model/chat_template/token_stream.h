// The parser's place in the tokens, and its bound on nesting.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/chat_template/lexer.h"

namespace cairn::jinja {

class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, int max_depth) : tokens_(std::move(tokens)), max_depth_(max_depth) {}

  const Token& current() const { return tokens_[position_]; }
  const Token& look_ahead() const { return tokens_[position_ + 1 < tokens_.size() ? position_ + 1 : position_]; }
  int line() const { return current().line; }

  Token& next() {
    Token& token = tokens_[position_];
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }

  bool at(TokenType type) const { return current().type == type; }
  bool at_symbol(std::string_view symbol) const { return at(TokenType::symbol) && current().text == symbol; }
  bool at_name(std::string_view name) const { return at(TokenType::name) && current().text == name; }

  bool skip_symbol(std::string_view symbol) { return at_symbol(symbol) && (next(), true); }
  bool skip_name(std::string_view name) { return at_name(name) && (next(), true); }

  void expect_symbol(std::string_view symbol) {
    if (!skip_symbol(symbol)) unexpected(fmt::format("'{}'", symbol));
  }
  void expect(TokenType type, std::string_view what) {
    if (!at(type)) unexpected(what);
    next();
  }
  std::string_view expect_name() {
    if (!at(TokenType::name)) unexpected("a name");
    return next().text;
  }

  [[noreturn]] void unexpected(std::string_view wanted) const {
    fail_invalid("chat template line {}: expected {}, got {}", line(), wanted, describe(current()));
  }

  /// One level of nesting for the life of the object.
  class Nesting {
   public:
    explicit Nesting(TokenStream& stream) : stream_(stream) {
      if (++stream_.depth_ <= stream_.max_depth_) return;
      --stream_.depth_;
      fail(ErrorKind::resource_exhausted, "chat template line {}: nested deeper than {} levels", stream_.line(),
           stream_.max_depth_);
    }
    ~Nesting() { --stream_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  int depth_ = 0;
  int max_depth_;
};

}  // namespace cairn::jinja
