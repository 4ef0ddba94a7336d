# Writes a C++ source that holds a file's bytes: cmake -DINPUT=… -DOUTPUT=… -P embed_page.cmake
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "// Generated from the web page's source.\n#include \"server/page.h\"\n
namespace cairn::server {
namespace {
constexpr unsigned char kPage[] = {\n${bytes}};
}  // namespace
std::string_view page() { return {reinterpret_cast<const char*>(kPage), sizeof(kPage)}; }
}  // namespace cairn::server\n")
