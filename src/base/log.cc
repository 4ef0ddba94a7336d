#include "base/log.h"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/error.h"

namespace cairn {

Log make_log(const std::string& level) {
  auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off")
    fail_invalid("log level '{}': one of trace, debug, info, warning, error, off", level);
  auto log = std::make_shared<spdlog::logger>("cairn", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  log->set_level(parsed);
  log->set_pattern("%H:%M:%S.%e %^%l%$ %v");
  return log;
}

Log null_log() { return std::make_shared<spdlog::logger>("null", std::make_shared<spdlog::sinks::null_sink_mt>()); }

}  // namespace cairn
