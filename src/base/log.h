// Logging: one logger object, handed down; libraries log, they never print.
#pragma once

#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace cairn {

using Log = std::shared_ptr<spdlog::logger>;

/// A logger writing to stderr. `level`: trace, debug, info, warning, error, off. Throws invalid_argument for another.
Log make_log(const std::string& level);

/// A logger that drops everything, for tests.
Log null_log();

}  // namespace cairn
