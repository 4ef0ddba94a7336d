#!/usr/bin/env python3
"""Writes tests/reference/data/gguf: what the gguf package makes of every stored format, and a whole small model.

  formats.gguf          a few tensors of each format: gaussian values encoded by the package where it has an encoder,
                        and blocks of random bits under random scales, which reach codes that no encoder writes
  formats.f32           f32 little-endian, the package's own decoding of those tensors one after the other
  tiny-llama-bf16.gguf  the model of data/models/tiny-llama-bf16, q and k rows permuted as llama.cpp's converter does:
                        its logits are those of that folder

usage: make_gguf_cases.py     (gguf 0.19.0, numpy, safetensors)
"""
import json
import pathlib

import gguf
import numpy as np

DATA = pathlib.Path(__file__).resolve().parent / "data"
SEED, ROWS, COLUMNS = 20261125, 4, 256
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K"]
ENCODED = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"}
# Where a block's half-precision scales lie, in bytes.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def random_blocks(random, kind):
    """Rows of random bits; the scales are halves of every exponent but infinity and NaN, denormals among them."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows = random.integers(0, 256, (ROWS, COLUMNS // block, size), np.uint8)
    for at in SCALES[kind.name]:
        halves = random.integers(0, 0x7C00, rows.shape[:2], np.uint16) | (random.integers(0, 2, rows.shape[:2], np.uint16) << 15)
        rows[:, :, at:at + 2] = halves[..., None].view(np.uint8)
    return rows.reshape(ROWS, -1)


def write_formats():
    random = np.random.default_rng(SEED)
    writer = gguf.GGUFWriter(DATA / "gguf/formats.gguf", "llama")
    expected = []
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        cases = {}
        if name in ENCODED:
            cases["encoded"] = gguf.quantize(random.standard_normal((ROWS, COLUMNS), np.float32), kind)
        if name in SCALES:
            cases["random"] = random_blocks(random, kind)
        for case, stored in cases.items():
            writer.add_tensor(f"{name}.{case}", stored, raw_dtype=kind)
            expected.append(gguf.dequantize(stored, kind).astype(np.float32).ravel())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    np.concatenate(expected).tofile(DATA / "gguf/formats.f32")


def read_bf16_safetensors(path):
    """Name to f32 array."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        bits = np.frombuffer(raw[8 + size + begin:8 + size + end], np.uint16)
        yield name, (bits.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])


def permuted(weight, heads):
    """Rows of each head from halves (i, i + D/2) to neighbours (2i, 2i + 1)."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write_model():
    folder = DATA / "models/tiny-llama-bf16"
    config = json.loads((folder / "config.json").read_text())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(DATA / "gguf/tiny-llama-bf16.gguf", "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))])
    writer.add_token_types([gguf.TokenType.NORMAL] * 256)
    writer.add_token_merges(["a b"])  # a list that is not empty is asked for; "ab" is no token, so it never applies
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    for name, weight in read_bf16_safetensors(folder / "model.safetensors"):
        for part, heads in (("q_proj", config["num_attention_heads"]), ("k_proj", config["num_key_value_heads"])):
            if part in name:
                weight = permuted(weight, heads)
        kind = gguf.GGMLQuantizationType.F32 if weight.ndim == 1 else gguf.GGMLQuantizationType.BF16
        target = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(target, gguf.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    (DATA / "gguf").mkdir(exist_ok=True)
    write_formats()
    write_model()
