// The commands of the one binary; each file beside this one adds its own to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace cairn {

/// What the parsed command line asks for; returns the exit code. Parsing only fills it, so that errors of usage come
/// before any work.
using Action = std::function<int()>;

void add_serve(CLI::App& app, Action& action);
void add_chat(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

/// Parses and runs; errors become one line on stderr. 0: done, 1: failed, 2: wrong usage or argument, 130: stopped by
/// the user.
int run_command_line(int argc, const char* const* argv);

}  // namespace cairn
