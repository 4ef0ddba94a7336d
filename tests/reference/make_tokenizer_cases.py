#!/usr/bin/env python3
"""Writes tests/reference/data/tokenizer_cases.json: what the tokenizers package makes of a small seeded set of texts.

`small` is a byte-level BPE trained here on a few sentences; each of its variants is a JSON merge patch (RFC 7386) to
that tokenizer.json. `real` holds ids under SmolLM2 and Qwen, whose vocabularies are too large to keep beside the tests.
Usage: make_tokenizer_cases.py   (tokenizers 0.23.3, gguf; models as tools/fetch_tokenizers.sh and ./check place them)
"""
import json
import os
import pathlib

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from tokenizer_text import PIECES, WORDS, random_strings, smollm2_from_gguf

SEED = 20261125
DATA = pathlib.Path(__file__).resolve().parent / "data" / "tokenizer_cases.json"
CACHE = pathlib.Path.home() / ".cache/cairn"
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")


def small_tokenizer():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<s>", "</s>", "<unk>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(WORDS), " ".join(PIECES)] * 3 + WORDS * 2, trainer)
    return json.loads(tokenizer.to_str())


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, BYTE_LEVEL]}}


def added(base, *tokens):
    """The base's added tokens and more; a token of the vocabulary keeps its id, the others get the next ones."""
    vocabulary = base["model"]["vocab"]
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    out, next_id = list(base["added_tokens"]), max(vocabulary.values()) + 1
    for token in tokens:
        token_id = vocabulary.get(token["content"], next_id)
        next_id += token_id == next_id
        out.append({**defaults, "id": token_id, **token})
    return out


def variants(base):
    yield "ByteLevel with GPT-2's pattern", {}
    yield "add_prefix_space", {"pre_tokenizer": {"add_prefix_space": True}}
    yield "no pattern", {"pre_tokenizer": {"use_regex": False}}
    yield "prefix space on every piece", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        split(r"\p{N}"), {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}]}}
    for individual in (True, False):
        yield f"Digits individual={individual}", sequence({"type": "Digits", "individual_digits": individual})
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"Split {behavior} invert={invert}", sequence(split(r"[aeiou]|\s", behavior, invert))
    yield "Split by a literal", sequence(split("e.", "MergedWithPrevious", kind="String"), split(" ", kind="String"))
    yield "Split with empty matches", sequence(split(r"\d*"))
    yield "Llama 3's pattern", sequence(split(LLAMA3))
    yield "sets and escapes", sequence(split(r"[^\S\n]+|\w+|[\x41-\x5a\u0400-\u04ff]|\P{L}"))
    yield "line anchors", sequence(split(r"^\s+|\s+$|\A.|[\p{Lu}\p{Lt}\p{M}]+"))
    yield "NFC", {"normalizer": {"type": "NFC"}}
    yield "NFKD then NFC", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "NFC"}]}}
    yield "ignore_merges", {"model": {"ignore_merges": True}}
    vocabulary = {token: None for token in ("e", "\u0120", "z")}
    merges = [merge for merge in base["model"]["merges"] if not set("".join(merge)) & {"e", "\u0120", "z"}]
    reduced = {token: None for token in base["model"]["vocab"] if set(token) & {"e", "\u0120", "z"}}
    for name, unknown, fuse in (("dropped", None, False), ("one each", "<unk>", False), ("fused", "<unk>", True)):
        yield f"missing bytes, {name}", {"model": {"vocab": {**vocabulary, **reduced}, "merges": merges,
                                                   "unk_token": unknown, "fuse_unk": fuse}}
    yield "added tokens", {"added_tokens": added(
        base, {"content": "<think>", "special": True}, {"content": "<|im_start|>", "lstrip": True, "special": True},
        {"content": "<|im_start|> the", "rstrip": True}, {"content": "<|im_end|>", "rstrip": True},
        {"content": "quick", "single_word": True}, {"content": "the", "normalized": True, "single_word": True},
        {"content": "\u00e9"}, {"content": "<", "lstrip": True, "rstrip": True})}
    yield "added tokens after NFC", {"normalizer": {"type": "NFC"}, "added_tokens": added(
        base, {"content": "e\u0301", "normalized": True}, {"content": "A\u030a"},
        {"content": "\u212b", "normalized": True})}
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    specials = {token: {"id": token, "ids": [i], "tokens": [token]} for i, token in enumerate(("<s>", "</s>"))}
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}]
    template = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": specials}
    yield "TemplateProcessing", {"post_processor": {"type": "Sequence", "processors": [BYTE_LEVEL, template]}}
    yield "RobertaProcessing", {"post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0],
                                                   "trim_offsets": True, "add_prefix_space": False}}


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def cases(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=True).ids for text in texts]
    decoded = [tokenizer.decode(line, skip_special_tokens=True) for line in ids]
    return {"ids": ids, "decoded": {str(i): text for i, text in enumerate(decoded) if text != texts[i]}}


def main():
    base = small_tokenizer()
    texts = random_strings(16, SEED) + ["", " ", "the<|im_start|> the quick  <|im_end|> \n<", "athe the quick quicker",
                                        "e\u0301\u00e9eA\u030a<s>x</s>", "I'll pay 12345 or \u0661\u0662 \u00bd\u2167"]
    small = []
    for name, patch in variants(base):
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(merge_patch(base, patch)))
        small.append({"name": name, "patch": patch, **cases(tokenizer, texts)})
        if name == "added tokens after NFC":
            # 0.23.3 decodes these tokens by their normalized content (Latin-1 letters as stray bytes), Cairn by content.
            del small[-1]["decoded"]
    real_texts = random_strings(80, SEED + 1)
    models_folder = pathlib.Path(os.environ.get("CAIRN_MODEL_DIR", CACHE / "models"))
    real = {"smollm2": smollm2_from_gguf(str(models_folder / "SmolLM2-135M-Instruct.Q4_1.gguf"))}
    for name in ("qwen", "qwen35", "deepseek"):
        real[name] = tokenizers.Tokenizer.from_file(str(CACHE / "tokenizers" / name / "tokenizer.json"))
    real_ids = {name: [line.ids for line in tokenizer.encode_batch(real_texts)] for name, tokenizer in real.items()}
    document = {"tokenizers": tokenizers.__version__, "seed": SEED, "base": base, "texts": texts, "small": small,
                "real_texts": real_texts, "real": real_ids}
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{DATA}: {DATA.stat().st_size} bytes, {len(small)} variants")


main()
