#!/usr/bin/env python3
"""Compares cairn_tokenize with the tokenizers package: ids of random and real text, and decode round trips.

Usage: tokenizer_conformance.py CAIRN_TOKENIZE [--strings 50000] [--seed 1] [--model NAME=PATH ...] [--text PATH ...]
NAME=PATH is a tokenizer.json, or a GGUF of SmolLM2 (its reference is built from the file's tokens and merges with the
SmolLM2 pre-tokenizer). Without --model: SmolLM2 from ~/.cache/cairn/models and what tools/fetch_tokenizers.sh fetched.
Needs: tokenizers, gguf. Ends with one line a model; exit status 1 on any difference.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import unicodedata

import tokenizers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from tokenizer_text import random_strings, smollm2_from_gguf  # noqa: E402

TEXT_SUFFIXES = {".txt", ".md", ".html", ".py", ".c", ".h", ".cc", ".hpp", ".js", ".css", ".json", ".xml", ".po", ".rst",
                 ""}


def default_models():
    cache = pathlib.Path.home() / ".cache/cairn"
    folder = pathlib.Path(os.environ.get("CAIRN_MODEL_DIR", cache / "models"))
    models = [("smollm2", folder / "SmolLM2-135M-Instruct.Q4_1.gguf")]
    folder = pathlib.Path(os.environ.get("CAIRN_TOKENIZER_DIR", cache / "tokenizers"))
    models += [(name, folder / name / "tokenizer.json") for name in ("qwen", "qwen35", "deepseek")]
    return [(name, str(path)) for name, path in models if path.exists()]


def reference(path):
    return tokenizers.Tokenizer.from_file(path) if path.endswith(".json") else smollm2_from_gguf(path)


def real_texts(roots, limit, rng):
    """Whole text files up to 64 KB found under the roots, in seeded order, until `limit` bytes."""
    files = []
    for root in roots:
        for folder, _, names in os.walk(root):
            files += [os.path.join(folder, name) for name in names if pathlib.Path(name).suffix in TEXT_SUFFIXES]
    files.sort()
    rng.shuffle(files)
    total, texts = 0, []
    for path in files:
        try:
            with open(path, "rb") as file:
                text = file.read(64 << 10).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text and "\0" not in text:
            texts.append(text)
            total += len(text.encode("utf-8"))
        if total >= limit:
            break
    return texts


def every_code_point():
    """Each code point between letters, digits, spaces and combining marks."""
    codes = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]
    return ["".join(f"a{c}b {c}1{c}\u0323{c}\u0345\n" for c in codes[i:i + 64]) for i in range(0, len(codes), 64)]


def run(tool, path, inputs):
    lines = "".join(json.dumps(item) + "\n" for item in inputs)
    start = time.monotonic()
    done = subprocess.run([tool, path], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n")[:-1]]
    assert len(answers) == len(inputs), (len(answers), len(inputs))
    return answers, time.monotonic() - start


def compare(tool, path, texts):
    theirs = reference(path)
    ids = [encoding.ids for encoding in theirs.encode_batch(texts, add_special_tokens=False)]
    ours, seconds = run(tool, path, texts)
    decoded, _ = run(tool, path, ours)
    expected = theirs.decode_batch(ours, skip_special_tokens=False)
    # What a text must decode to: itself, in the tokenizer's normal form. Two kinds of text cannot: SmolLM2 has no token
    # for 21 of the bytes and drops them, and a combining mark right behind an added token is normalized by itself. For
    # those the reference's own round trip is the measure ("unspellable").
    normalize = theirs.normalizer.normalize_str if theirs.normalizer else (lambda text: text)
    differ = [i for i, (a, b) in enumerate(zip(ids, ours)) if a != b]
    decode_differs = [i for i, (a, b) in enumerate(zip(expected, decoded)) if a != b]
    inexact = [i for i, text in enumerate(texts) if decoded[i] != normalize(text)]
    lossy = [i for i in inexact if theirs.decode(ids[i], skip_special_tokens=False) != normalize(texts[i])]
    for i in differ[:3]:
        print(f"  encode differs: {texts[i][:200]!r}\n    expected {ids[i][:40]}\n    got      {ours[i][:40]}")
    for i in decode_differs[:3]:
        print(f"  decode differs: {texts[i][:200]!r}: expected {expected[i][:200]!r}, got {decoded[i][:200]!r}")
    return {"texts": len(texts), "bytes": sum(len(t.encode("utf-8")) for t in texts), "ids": sum(map(len, ids)),
            "encode_differs": len(differ), "decode_differs": len(decode_differs),
            "round_trip_inexact": len(inexact) - len(lossy), "unspellable": len(lossy), "seconds": round(seconds, 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--strings", type=int, default=50000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--text-bytes", type=int, default=8 << 20)
    parser.add_argument("--every-code-point", action="store_true", help="a third corpus; takes minutes")
    options = parser.parse_args()
    models = [tuple(model.split("=", 1)) for model in options.model] or default_models()
    rng = random.Random(options.seed)
    roots = options.text or ["/usr/share", "/usr/include", "/usr/lib/python3"]
    corpora = {"random": random_strings(options.strings, options.seed), "real": real_texts(roots, options.text_bytes, rng)}
    if options.every_code_point:
        corpora["code points"] = every_code_point()
    print(f"tokenizers {tokenizers.__version__}, Python's Unicode {unicodedata.unidata_version}, seed {options.seed}")
    failed = not models
    for name, path in models:
        for kind, texts in corpora.items():
            result = compare(options.tool, path, texts)
            bad = result["encode_differs"] + result["decode_differs"] + result["round_trip_inexact"]
            failed |= bad > 0
            print(f"{name} {kind}: {'DIFFERENT' if bad else 'identical'} {json.dumps(result)}", flush=True)
    sys.exit(1 if failed else 0)


main()
