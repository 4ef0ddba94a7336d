#!/usr/bin/env python3
"""Makes the one self-contained page of web/: index.html with its style sheet and scripts inlined.

usage: bundle_page.py [--html OUT.html] [--cpp OUT.cc]

--cpp writes a C++ source that defines `extern const std::string_view kPage` in namespace cairn. Files are written only
when they change, so a build that runs this every time compiles nothing anew.
"""

import argparse
import pathlib
import re

WEB = pathlib.Path(__file__).resolve().parent.parent / "web"
DELIMITER = "cairn_page"


def read(name):
    return (WEB / name).read_text(encoding="utf-8").rstrip("\n")


def inline(page):
    def style(match):
        return f"<style>\n{read(match[1])}\n</style>"

    def script(match):
        text = read(match[1])
        if "</script" in text:
            raise SystemExit(f"{match[1]} holds '</script', which would end the script early")
        return f"<script>\n{text}\n</script>"

    page = re.sub(r'<link rel="stylesheet" href="([\w.]+)">', style, page)
    page = re.sub(r'<script src="([\w.]+)"></script>', script, page)
    left = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    if left:
        raise SystemExit(f"the page would load {left}: it must be self-contained")
    return page


def as_cpp(page):
    if f"){DELIMITER}\"" in page:
        raise SystemExit("the page holds the raw string's delimiter")
    return (
        "// Made by tools/bundle_page.py from web/.\n#include <string_view>\n\nnamespace cairn {\n\n"
        "extern const std::string_view kPage;\n"
        f'const std::string_view kPage = R"{DELIMITER}({page}){DELIMITER}";\n\n}}  // namespace cairn\n'
    )


def write(path, text):
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--html", type=pathlib.Path)
    parser.add_argument("--cpp", type=pathlib.Path)
    options = parser.parse_args()
    page = inline(read("index.html")) + "\n"
    if options.html:
        write(options.html, page)
    if options.cpp:
        write(options.cpp, as_cpp(page))
    if not options.html and not options.cpp:
        parser.error("give --html or --cpp")


if __name__ == "__main__":
    main()
