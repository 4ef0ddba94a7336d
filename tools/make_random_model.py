#!/usr/bin/env python3
"""Writes a model of a real shape with seeded random weights, for speed comparisons: what it says is noise.

The weights are gaussian(0, 0.02), norms one, and the same for every format before it rounds. The tokenizer is a
synthetic byte-level BPE: 256 bytes, the pairs of lowercase letters, filler, Qwen's three chat tokens in their places.

usage: make_random_model.py --shape qwen3-0.6b --format q8_0 --out model.gguf
       make_random_model.py --shape qwen3-0.6b --format bf16 --out folder       (no .gguf: a Hugging Face folder)
Folders are bf16, or quantized as in quantized_formats.py (int8, int4, gptq, awq, fp8, fp8-blocks); the embedding stays
in bf16.
Needs numpy 2, and for GGUF files gguf 0.19, from PyPI.
"""
import argparse
import itertools
import json
import os
import pathlib
import shutil
import string
import sys
import zlib

import numpy as np

import quantized_formats
from quantized_formats import bf16

SHAPES = {
    "qwen3-tiny": dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
                       num_key_value_heads=2, head_dim=64, vocab_size=2048, max_position_embeddings=4096),
    "qwen3-0.6b": dict(hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
                       num_key_value_heads=8, head_dim=128, vocab_size=151936, max_position_embeddings=40960),
    "qwen3-1.7b": dict(hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16,
                       num_key_value_heads=8, head_dim=128, vocab_size=151936, max_position_embeddings=40960),
}
ROPE_THETA, EPS, DEVIATION = 1e6, 1e-6, 0.02
GGUF_FORMATS = ["q8_0", "q4_0", "q4_k_m"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
UNUSED_AFTER_SPECIALS = 290  # Qwen's embedding is padded by as many rows behind the three
CHAT_TEMPLATE = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")


def tensors(shape):
    """(Hugging Face name, GGUF name, dimensions) of every weight, in the order of the layers."""
    hidden, inner, head = shape["hidden_size"], shape["intermediate_size"], shape["head_dim"]
    q, kv = shape["num_attention_heads"] * head, shape["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", "token_embd.weight", (shape["vocab_size"], hidden)
    for layer in range(shape["num_hidden_layers"]):
        for name, gguf, dims in [
                ("input_layernorm", "attn_norm", (hidden,)), ("self_attn.q_proj", "attn_q", (q, hidden)),
                ("self_attn.k_proj", "attn_k", (kv, hidden)), ("self_attn.v_proj", "attn_v", (kv, hidden)),
                ("self_attn.q_norm", "attn_q_norm", (head,)), ("self_attn.k_norm", "attn_k_norm", (head,)),
                ("self_attn.o_proj", "attn_output", (hidden, q)), ("post_attention_layernorm", "ffn_norm", (hidden,)),
                ("mlp.gate_proj", "ffn_gate", (inner, hidden)), ("mlp.up_proj", "ffn_up", (inner, hidden)),
                ("mlp.down_proj", "ffn_down", (hidden, inner))]:
            yield f"model.layers.{layer}.{name}.weight", f"blk.{layer}.{gguf}.weight", dims
    yield "model.norm.weight", "output_norm.weight", (hidden,)


def values(name, dims, seed):
    """f32; each tensor has its own stream, so that the order of writing does not matter."""
    if len(dims) == 1:
        return np.ones(dims, np.float32)
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return random.standard_normal(dims, np.float32) * np.float32(DEVIATION)


def pack_k_scales(scales, minimums):
    """[n, 8] numbers of 6 bits each as the 12 bytes of q4_k (ggml-common.h)."""
    packed = np.zeros((len(scales), 12), np.uint8)
    packed[:, 0:4] = scales[:, 0:4] | (scales[:, 4:8] >> 4 << 6)
    packed[:, 4:8] = minimums[:, 0:4] | (minimums[:, 4:8] >> 4 << 6)
    packed[:, 8:12] = (scales[:, 4:8] & 15) | (minimums[:, 4:8] & 15) << 4
    return packed


def ratio(a, b):
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), np.float32), where=b != 0)


def quantize_q4_k(array):
    """Blocks of 256: 32 values share a scale and a minimum of 6 bits each; rounding to nearest, no search."""
    x = array.reshape(-1, 8, 32)
    minimum = np.minimum(x.min(2), 0)
    scale = (x.max(2) - minimum) / 15
    d = (scale.max(1, keepdims=True) / 63).astype(np.float16)
    dmin = (-minimum.min(1, keepdims=True) / 63).astype(np.float16)
    scales = np.clip(np.rint(ratio(scale, d.astype(np.float32))), 0, 63).astype(np.uint8)
    minimums = np.clip(np.rint(ratio(-minimum, dmin.astype(np.float32))), 0, 63).astype(np.uint8)
    step = (d.astype(np.float32) * scales)[..., None]
    low = (dmin.astype(np.float32) * minimums)[..., None]
    quants = np.clip(np.rint(ratio(x + low, step)), 0, 15).astype(np.uint8).reshape(-1, 4, 2, 32)
    nibbles = (quants[:, :, 0] | quants[:, :, 1] << 4).reshape(-1, 128)
    return np.concatenate([d.view(np.uint8), dmin.view(np.uint8), pack_k_scales(scales, minimums), nibbles], axis=1)


def quantize_q6_k(array):
    """Blocks of 256: 16 values share a scale of 8 bits; rounding to nearest, no search."""
    x = array.reshape(-1, 16, 16)
    scale = np.abs(x).max(2) / 31
    d = (scale.max(1, keepdims=True) / 127).astype(np.float16)
    scales = np.clip(np.rint(ratio(scale, d.astype(np.float32))), 0, 127).astype(np.int8)
    step = (d.astype(np.float32) * scales)[..., None]
    quants = (np.clip(np.rint(ratio(x, step)), -32, 31) + 32).astype(np.uint8).reshape(-1, 2, 4, 32)  # halves, parts
    low = quants & 15
    nibbles = np.stack([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2).reshape(-1, 128)
    high = quants >> 4
    bits = (high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6).reshape(-1, 64)
    return np.concatenate([nibbles, bits, scales.view(np.uint8), d.view(np.uint8)], axis=1)


def q4_k_m_uses_q6_k(name, layers):
    """Which weights llama-quantize's Q4_K_M stores with more bits: the embedding, and attn_v and ffn_down of some layers."""
    if name == "token_embd.weight":
        return True
    if not name.endswith(("attn_v.weight", "ffn_down.weight")):
        return False
    layer, eighth = int(name.split(".")[1]), layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def vocabulary(size):
    """Tokens by id, the merges, and the id of the first special token."""
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    others = [b for b in range(256) if b not in printable]
    tokens = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    merges = list(itertools.product(string.ascii_lowercase, repeat=2))
    tokens += [a + b for a, b in merges]
    first = size - UNUSED_AFTER_SPECIALS - len(SPECIALS)
    tokens += [f"<filler_{i}>" for i in range(len(tokens), first)]
    tokens += SPECIALS + [f"<unused_{i}>" for i in range(UNUSED_AFTER_SPECIALS)]
    assert len(tokens) == len(set(tokens)) == size
    return tokens, merges, first


def stored_parts(name, dims, form, seed):
    """The arrays of a weight in a folder, by their names."""
    array = values(name, dims, seed)
    if form == "bf16" or len(dims) == 1 or "embed" in name:
        return {name: bf16(array)}
    parts = quantized_formats.FORMATS[form][0](array)
    return {f"{name.removesuffix('.weight')}.{part}": stored for part, stored in parts.items()}


def write_folder(folder, shape, form, seed):
    tokens, merges, first = vocabulary(shape["vocab_size"])
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    byte_level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    files = {
        "config.json": dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", **shape, hidden_act="silu",
                            rms_norm_eps=EPS, rope_theta=ROPE_THETA, rope_scaling=None, tie_word_embeddings=True,
                            attention_bias=False, attention_dropout=0.0, use_sliding_window=False, use_cache=True,
                            initializer_range=DEVIATION, bos_token_id=first, eos_token_id=first + 2,
                            torch_dtype="bfloat16",
                            **({} if form == "bf16" else dict(quantization_config=quantized_formats.FORMATS[form][1]))),
        "generation_config.json": dict(bos_token_id=first, eos_token_id=[first + 2, first], pad_token_id=first),
        "tokenizer.json": dict(
            version="1.0", truncation=None, padding=None, normalizer=dict(type="NFC"), post_processor=byte_level,
            added_tokens=[dict(id=first + i, content=text, **flags) for i, text in enumerate(SPECIALS)],
            pre_tokenizer=dict(type="Sequence", pretokenizers=[
                dict(type="Split", pattern=dict(Regex=PATTERN), behavior="Isolated", invert=False), byte_level]),
            decoder=byte_level,
            model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix="", end_of_word_suffix="",
                       fuse_unk=False, byte_fallback=False, ignore_merges=False,
                       vocab={token: i for i, token in enumerate(tokens)}, merges=[" ".join(m) for m in merges])),
        "tokenizer_config.json": dict(tokenizer_class="Qwen2Tokenizer", add_bos_token=False, add_prefix_space=False,
                                      bos_token=None, eos_token=SPECIALS[2], pad_token=SPECIALS[0], unk_token=None,
                                      model_max_length=shape["max_position_embeddings"], chat_template=CHAT_TEMPLATE),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    # The data first, to a file of its own: the header that comes before it tells every part's size.
    header, offset, data = {"__metadata__": {"format": "pt"}}, 0, folder / "data.partial"
    with open(data, "wb") as file:
        for name, _, dims in tensors(shape):
            for part, array in stored_parts(name, dims, form, seed).items():
                header[part] = dict(dtype=quantized_formats.CODES[str(array.dtype)], shape=array.shape,
                                    data_offsets=[offset, offset + array.nbytes])
                offset += array.nbytes
                array.tofile(file)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file, open(data, "rb") as parts:
        file.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(parts, file, 1 << 24)
    data.unlink()


def write_gguf(path, shape, form, seed):
    import gguf
    kinds, file_type = gguf.GGMLQuantizationType, gguf.LlamaFileType[f"MOSTLY_{form.upper()}"]
    tokens, merges, first = vocabulary(shape["vocab_size"])
    types = np.full(len(tokens), gguf.TokenType.NORMAL)
    types[first:] = gguf.TokenType.UNUSED
    types[first:first + len(SPECIALS)] = gguf.TokenType.CONTROL
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("random weights")
    writer.add_file_type(file_type)
    writer.add_vocab_size(shape["vocab_size"])
    writer.add_context_length(shape["max_position_embeddings"])
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_key_length(shape["head_dim"])
    writer.add_value_length(shape["head_dim"])
    writer.add_layer_norm_rms_eps(EPS)
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types.tolist())
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(first)
    writer.add_eos_token_id(first + 2)
    writer.add_pad_token_id(first)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)

    def stored(name, dims):
        if len(dims) == 1:  # runtimes expect norms so
            return kinds.F32
        if form == "q4_k_m":
            return kinds.Q6_K if q4_k_m_uses_q6_k(name, shape["num_hidden_layers"]) else kinds.Q4_K
        return kinds[form.upper()]

    def encode(array, kind):
        if kind in (kinds.Q4_K, kinds.Q6_K):
            blocks = (quantize_q4_k if kind == kinds.Q4_K else quantize_q6_k)(array)
            return blocks.reshape(array.shape[0], -1)
        return gguf.quantize(array, kind)

    for _, name, dims in tensors(shape):
        kind, size = stored(name, dims), int(np.prod(dims))
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor_info(name, dims, np.dtype(np.float32), size // block * block_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for hf_name, name, dims in tensors(shape):
        writer.write_tensor_data(encode(values(hf_name, dims, seed), stored(name, dims)))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--format", choices=["bf16", *GGUF_FORMATS, *quantized_formats.FORMATS], required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a file ending in .gguf, or a folder")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    is_gguf = args.out.suffix == ".gguf"
    if args.format != "bf16" and is_gguf != (args.format in GGUF_FORMATS):
        sys.exit(f"--format {args.format} is of {'folders' if is_gguf else 'GGUF files, which end in .gguf'}")
    partial = args.out.with_name(args.out.name + f".partial-{os.getpid()}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        if is_gguf:
            write_gguf(partial, SHAPES[args.shape], args.format, args.seed)
        else:
            partial.mkdir()
            write_folder(partial, SHAPES[args.shape], args.format, args.seed)
            if args.out.exists():
                shutil.rmtree(args.out)
        partial.replace(args.out)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        elif partial.exists():
            partial.unlink()


if __name__ == "__main__":
    main()
