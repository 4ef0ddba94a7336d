"""Compares Cairn's rendering of chat templates with jinja2's, on 25 seeded conversations a template.

usage: template_conformance.py --tool build/…/cairn_render_template TEMPLATE…

A TEMPLATE is a .jinja file, a tokenizer_config.json, a .gguf file, or a .json file that maps names to templates. Needs
jinja2 (and gguf for .gguf files). A conversation that a template refuses counts as equal when both refuse it.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from template_conversations import conversations, environment, render  # noqa: E402


def templates_in(path):
    if path.suffix == ".gguf":
        import gguf

        field = gguf.GGUFReader(str(path)).fields["tokenizer.chat_template"]
        return {path.name: bytes(field.parts[field.data[0]]).decode()}
    if path.suffix != ".json":
        return {path.name: path.read_text(encoding="utf-8")}
    data = json.loads(path.read_text(encoding="utf-8"))
    if "chat_template" not in data:
        return data
    found = data["chat_template"]
    if isinstance(found, str):
        return {str(path): found}
    return {f"{path}:{entry['name']}": entry["template"] for entry in found}


def run_tool(tool, requests):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    answers = subprocess.run([tool], input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in answers.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--show", action="store_true", help="print what differs")
    parser.add_argument("templates", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    env = environment()
    cases = conversations()
    failed = 0
    for path in options.templates:
        for name, source in templates_in(path).items():
            expected = [render(env, source, case) for case in cases]
            actual = run_tool(options.tool, [{"template": source, "variables": case} for case in cases])
            different = [i for i in range(len(cases)) if expected[i].get("text") != actual[i].get("text")]
            rendered = sum("text" in answer for answer in expected)
            failed += bool(different)
            print(f"{name}: {len(cases) - len(different)}/{len(cases)} equal ({rendered} rendered, "
                  f"{len(cases) - rendered} refused by both)" if not different else
                  f"{name}: {len(different)} of {len(cases)} DIFFER: conversations {different}")
            for i in different[:2] if options.show else []:
                print("  jinja2:", json.dumps(expected[i], ensure_ascii=False)[:2000])
                print("  cairn: ", json.dumps(actual[i], ensure_ascii=False)[:2000])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
