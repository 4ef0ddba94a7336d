#!/usr/bin/env python3
"""Writes data/template_cases.json: what jinja2, set up as transformers sets it up, makes of our own templates.

data/templates/*.jinja are rendered on 25 seeded conversations each; data/template_snippets.txt holds one small template a
line, each rendered on SNIPPET_VARIABLES. A rendering that jinja2 refuses is recorded as null.

usage: make_template_cases.py   (with jinja2 3.1.6)
"""

import json
import pathlib

import jinja2
from template_conversations import conversations, environment, render

DATA = pathlib.Path(__file__).resolve().parent / "data"

SNIPPET_VARIABLES = {
    "x": 3,
    "s": "Hello World",
    "l": [3, 1, 2],
    "d": {"b": 1, "a": "two", "n": None, "f": 1.5, "t": True},
    "u": "héllo wörld ß İ",
    "e": "",
    "none_value": None,
    "msgs": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "yo",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1, "b": [1, 2, {"c": None}]}}}],
        },
        {"role": "tool", "content": "é\n\t\"q\" <&>'"},
    ],
    "big": 18446744073709551615,
    "fl": 0.1,
}


def outcome(env, source, variables):
    return render(env, source, variables).get("text")


def main():
    env = environment()
    variables = conversations()
    templates = {
        path.name: [outcome(env, path.read_text(encoding="utf-8"), one) for one in variables]
        for path in sorted((DATA / "templates").glob("*.jinja"))
    }
    snippets = (DATA / "template_snippets.txt").read_text(encoding="utf-8").splitlines()
    cases = {
        "made_with": f"jinja2 {jinja2.__version__}",
        "conversations": variables,
        "templates": templates,
        "snippet_variables": SNIPPET_VARIABLES,
        "snippets": [outcome(env, line, SNIPPET_VARIABLES) for line in snippets],
    }
    with open(DATA / "template_cases.json", "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=False, indent=0)
        file.write("\n")
    refused = {name: sum(text is None for text in texts) for name, texts in templates.items()}
    print(f"{len(variables)} conversations, {len(snippets)} snippets; refused: {refused}")


if __name__ == "__main__":
    main()
