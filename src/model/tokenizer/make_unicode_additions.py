#!/usr/bin/env python3
"""Writes unicode_additions.inc: code points that Unicode 15 to 17 assigned, by general category.

The reference tokenizers match patterns with Unicode 16 tables and digits with Unicode 17; PCRE2 10.42 stops at 14.
Usage: make_unicode_additions.py DIR16 DIR17 > unicode_additions.inc, on a Python whose own tables are Unicode 14 (3.11),
with unicodedata2 16.0.0 and 17.0.0 installed by `pip install --target DIR16 unicodedata2==16.0.0` and likewise for 17.
"""
import importlib
import sys
import unicodedata


def load(folder):
    sys.path.insert(0, folder)
    sys.modules.pop("unicodedata2", None)
    module = importlib.import_module("unicodedata2")
    sys.path.pop(0)
    return {code: module.category(chr(code)) for code in range(0x110000)}, module.unidata_version


def main():
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    known = {code: unicodedata.category(chr(code)) for code in range(0x110000)}
    print("// Written by make_unicode_additions.py: {first, last, general category, Unicode version at most}.")
    for folder, version in ((sys.argv[1], 16), (sys.argv[2], 17)):
        table, found = load(folder)
        assert found == f"{version}.0.0", found
        runs = []
        for code, category in table.items():
            if known[code] != "Cn" or category == "Cn":
                continue
            if version == 17 and category[0] != "N":
                continue  # only digits follow Unicode 17
            if runs and runs[-1][1] == code - 1 and runs[-1][2] == category:
                runs[-1][1] = code
            else:
                runs.append([code, code, category])
        for first, last, category in runs:
            print(f'{{0x{first:04X}, 0x{last:04X}, "{category}", {version}}},')
        known.update({code: category for code, category in table.items() if known[code] == "Cn"})


main()
