// Wires the commands together and maps errors to exit codes, once.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"

namespace cairn {
namespace {

constexpr int kFailed = 1, kUsage = 2;

// The innermost subcommand that was named.
const CLI::App& chosen_command(const CLI::App& app) {
  std::vector<CLI::App*> chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

std::vector<std::string> names_of(const CLI::App& app, bool flags) {
  std::vector<std::string> names;
  if (!flags)
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(command->get_name());
  if (flags)
    for (const CLI::Option* option : app.get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen_command(app);
  std::vector<std::string> extras = app.remaining(true);
  bool incomplete = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
  bool too_much = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  if (extras.empty() || (!incomplete && !too_much))
    return incomplete && &command == &app ? "a command is needed" : error.what();
  std::string extra = extras.front().substr(0, extras.front().find('='));
  bool flag = extra.starts_with('-');
  std::string text = fmt::format("unknown {} '{}'", flag ? "flag" : incomplete ? "command" : "argument", extra);
  std::string near = nearest_name(extra, names_of(command, flag));
  if (!near.empty()) text += fmt::format("; did you mean '{}'?", near);
  return text;
}

void print_error(std::string_view message) { fmt::print(stderr, "cairn: {}\n", message); }

int run_action(const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    print_error(error.what());
    return error.kind() == ErrorKind::invalid_argument || error.kind() == ErrorKind::not_found ? kUsage : kFailed;
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return kFailed;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  CLI::App app("Cairn serves open language models on ordinary machines.", "cairn");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  Action action;
  add_serve(app, action);
  add_chat(app, action);
  add_generate(app, action);
  add_bench(app, action);
  add_inspect(app, action);
  add_tokenize(app, action);
  add_version(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    print_error(usage_error(app, error));
    std::string command = chosen_command(app).get_parent() ? chosen_command(app).get_name() + " " : "";
    fmt::print(stderr, "Run 'cairn {}--help' for what is accepted.\n", command);
    return kUsage;
  } catch (const Error& error) {  // a flag's own check
    print_error(error.what());
    return kUsage;
  }
  return run_action(action);
}

}  // namespace cairn
