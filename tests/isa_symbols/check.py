"""Objects compiled for an instruction set may export their kernel tables and nothing else.

An inline function of a header that the compiler does not inline is emitted as a weak symbol, with that object's
instructions; the linker may pick it for the whole program, which then dies on an older processor.

Usage: check.py NM FILE, where each line of FILE is "isa path/to/object.o".
"""
import os
import re
import subprocess
import sys


def exported(nm, path):
    listing = subprocess.run([nm, "-g", "--defined-only", "--demangle", path], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        match = re.match(r"[0-9a-fA-F]* *(\S) (.*)", line)
        if match:
            yield match.group(1), match.group(2)


def main():
    nm, listing = sys.argv[1:]
    wrong = objects = tables = 0
    with open(listing) as file:
        entries = [line.split(maxsplit=1) for line in file.read().splitlines() if line]
    for isa, path in entries:
        if not os.path.exists(path):  # a build of some targets only
            print(f"not built: {path}")
            continue
        objects += 1
        table = re.compile(rf"cairn::{isa}::k\w+Table(\[abi:\w+\])?")
        for kind, name in exported(nm, path):
            if kind in "RDG" and table.fullmatch(name):
                tables += 1
            else:
                wrong += 1
                print(f"{path} exports {name} ({kind}); only cairn::{isa}::k...Table is allowed")
    if tables < objects or objects == 0:
        wrong += 1
        print(f"{objects} objects export {tables} tables: every source has at least one")
    print(f"{objects} objects, {tables} tables, {wrong} wrong")
    sys.exit(wrong > 0)


main()
