#include "cli/line_reader.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <cwchar>

#include "base/error.h"

namespace cairn {
namespace {

// The line editor works on wide characters of the locale; this program speaks UTF-8.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

struct LineReader::Impl {
  std::string prompt, pending;  // pending: read, but not yet a whole line (no terminal)
  int wake = -1;
  bool interrupted = false, interactive = false;
  EditLine* editor = nullptr;
  History* history = nullptr;

  // The next byte of standard input: its value, -1 when interrupted, -2 at the end.
  int next_byte() {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {wake, POLLIN, 0}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[1].revents != 0) {
      interrupted = true;
      return -1;
    }
    unsigned char byte = 0;
    ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    return got == 1 ? byte : -2;
  }

  static int read_character(EditLine* editor, wchar_t* character) {
    Impl* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    std::mbstate_t state{};
    while (true) {
      int byte = self->next_byte();
      if (byte == -1) return -1;
      if (byte == -2) return 0;
      char piece = static_cast<char>(byte);
      std::size_t used = std::mbrtowc(character, &piece, 1, &state);
      if (used == static_cast<std::size_t>(-1)) {  // ill-formed: skip it
        state = {};
        continue;
      }
      if (used != static_cast<std::size_t>(-2)) return 1;
    }
  }

  static char* prompt_of(EditLine* editor) {
    Impl* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt.data();
  }

  void open_editor() {
    use_utf8();
    editor = el_init("cairn", stdin, stdout, stderr);
    if (!editor) fail(ErrorKind::internal, "the terminal's line editor did not start");
    el_set(editor, EL_CLIENTDATA, this);
    el_set(editor, EL_PROMPT, &prompt_of);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_GETCFN, &read_character);
    history = history_init();
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 1000);
    el_set(editor, EL_HIST, &::history, history);
  }

  Line read_edited() {
    int length = 0;
    const char* text = el_gets(editor, &length);
    if (interrupted) return {Kind::interrupted, {}};
    if (!text || length <= 0) return {Kind::end, {}};
    HistEvent event;
    if (length > 1) ::history(history, &event, H_ENTER, text);
    std::string line(text, static_cast<std::size_t>(length));
    if (line.ends_with('\n')) line.pop_back();
    return {Kind::line, line};
  }

  Line read_plain() {
    while (true) {
      int byte = next_byte();
      if (byte == -1) return {Kind::interrupted, {}};
      bool end = byte == -2;
      if (end && pending.empty()) return {Kind::end, {}};
      if (!end && byte != '\n') {
        pending.push_back(static_cast<char>(byte));
        continue;
      }
      Line line{Kind::line, std::move(pending)};
      pending.clear();
      return line;
    }
  }
};

LineReader::LineReader(std::string prompt) : impl_(std::make_unique<Impl>()) {
  impl_->prompt = std::move(prompt);
  impl_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl_->wake < 0) fail(ErrorKind::resource_exhausted, "eventfd: {}", std::strerror(errno));
  impl_->interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  if (impl_->interactive) impl_->open_editor();
}

LineReader::~LineReader() {
  if (impl_->history) history_end(impl_->history);
  if (impl_->editor) el_end(impl_->editor);
  close(impl_->wake);
}

bool LineReader::interactive() const { return impl_->interactive; }

LineReader::Line LineReader::read() {
  impl_->interrupted = false;
  Line line = impl_->interactive ? impl_->read_edited() : impl_->read_plain();
  if (line.kind == Kind::interrupted) clear_interrupt();
  return line;
}

void LineReader::interrupt() {
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(impl_->wake, &one, sizeof one);  // full already means awake
}

void LineReader::clear_interrupt() {
  std::uint64_t count = 0;
  [[maybe_unused]] ssize_t got = ::read(impl_->wake, &count, sizeof count);  // empty is fine
}

}  // namespace cairn
