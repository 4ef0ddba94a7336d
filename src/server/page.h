// The web page, embedded at build time.
#pragma once

#include <string_view>

namespace cairn::server {

/// HTML; web/index.html with its parts inlined, or a short notice when the build had none.
std::string_view page();

}  // namespace cairn::server
