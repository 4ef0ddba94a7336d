#!/usr/bin/env python3
"""Writes tests/reference/data/quantized: a small model in every quantized safetensors format, and what it computes.

Each folder holds config.json, model.safetensors and

  products.f64   little-endian, of every quantized weight in the order of its name: the weight, dequantized as its
                 format says, times x, x[j] = ((37 j) mod 101 - 50) / 64. In f64, so that a single wrong code shows.

Codes and zero points are random, over their whole range. Weights whose columns are not whole groups stay in bf16, as ignored
modules do. The packing follows compressed-tensors 0.20 (compressors/pack_quantized/helpers.py), AutoGPTQ's and AutoAWQ
0.2.9's linear layers, and the fp8 quantizer of transformers.

usage: make_quantized_cases.py     (numpy)
"""
import json
import pathlib

import numpy as np

DATA = pathlib.Path(__file__).resolve().parent / "data" / "quantized"
HIDDEN, HEADS, HEAD, VOCAB = 128, 1, 32, 8


def modules(inner):
    q = HEADS * HEAD
    return {"self_attn.q_proj": (q, HIDDEN), "self_attn.k_proj": (q, HIDDEN), "self_attn.v_proj": (q, HIDDEN),
            "self_attn.o_proj": (HIDDEN, q), "mlp.gate_proj": (inner, HIDDEN), "mlp.up_proj": (inner, HIDDEN),
            "mlp.down_proj": (HIDDEN, inner)}


CODES = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.int8): "I8", np.dtype(np.int32): "I32",
         np.dtype(np.int64): "I64", np.dtype(np.uint16): "BF16", np.dtype(np.uint8): "F8_E4M3"}  # the last two as bits
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the output in each nibble of a word


def to_bf16(array):
    raw = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((raw + (0x7FFF + ((raw >> 16) & 1))) >> 16).astype(np.uint16)


def from_bf16(stored):
    return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def from_e4m3(stored):
    code = stored.astype(np.int64)
    exponent, mantissa = code >> 3 & 15, code & 7
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0**(exponent - 7))
    return np.where(code & 128, -value, value)


def packed(codes, axis, order=range(8)):
    """Eight codes of 0..15 along an axis a word, as i32; `order`: which of the eight each nibble holds."""
    codes = np.moveaxis(codes.astype(np.uint32), axis, -1)
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % 8)])
    words = codes.reshape(*codes.shape[:-1], -1, 8)
    result = np.zeros(words.shape[:-1], np.uint32)
    for nibble, element in enumerate(order):
        result |= words[..., element] << np.uint32(4 * nibble)
    return np.ascontiguousarray(np.moveaxis(result, -1, axis)).view(np.int32)


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = dict(dtype=CODES[array.dtype], shape=array.shape, data_offsets=[offset, offset + array.nbytes])
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(array.tobytes())


def random_scales(random, shape, dtype):
    values = random.uniform(0.002, 0.02, shape).astype(np.float32)
    stored = to_bf16(values) if dtype == "bf16" else values.astype(dtype)
    return stored, from_bf16(stored) if dtype == "bf16" else stored.astype(np.float64)


def int8(random, n, k, dtype):
    codes = random.integers(-128, 128, (n, k)).astype(np.int8)
    scales, values = random_scales(random, (n, 1), dtype)
    return dict(weight=codes, weight_scale=scales), codes * values


def pack_quantized(random, n, k, group, dtype, zero_points):
    codes = random.integers(0, 16, (n, k))
    scales, values = random_scales(random, (n, k // group), dtype)
    zeros = random.integers(0, 16, (n, k // group)) if zero_points else np.full((n, k // group), 8)
    parts = dict(weight_packed=packed(codes, 1), weight_scale=scales, weight_shape=np.array([n, k], np.int64))
    if zero_points:
        parts["weight_zero_point"] = packed(zeros, 0)
    return parts, (codes - np.repeat(zeros, group, 1)) * np.repeat(values, group, 1)


def gptq(random, n, k, group, dtype, zero_points, first_format):
    codes = random.integers(0, 16, (n, k))
    scales, values = random_scales(random, (n, k // group), dtype)
    zeros = random.integers(1, 16, (n, k // group)) if zero_points else np.full((n, k // group), 8)
    parts = dict(qweight=packed(codes.T, 0), qzeros=packed(zeros.T - first_format, 1),
                 scales=np.ascontiguousarray(scales.T), g_idx=(np.arange(k) // group).astype(np.int32))
    return parts, (codes - np.repeat(zeros, group, 1)) * np.repeat(values, group, 1)


def awq(random, n, k, group):
    codes = random.integers(0, 16, (n, k))
    scales, values = random_scales(random, (n, k // group), np.float16)
    zeros = random.integers(0, 16, (n, k // group))
    parts = dict(qweight=packed(codes.T, 1, AWQ_ORDER), qzeros=packed(zeros.T, 1, AWQ_ORDER),
                 scales=np.ascontiguousarray(scales.T))
    return parts, (codes - np.repeat(zeros, group, 1)) * np.repeat(values, group, 1)


def float8(random, n, k, scale_shape, dtype, name="weight_scale"):
    codes = random.integers(0, 256, (n, k)).astype(np.uint8)
    codes[codes & 0x7F == 0x7F] = 0x7E
    scales, values = random_scales(random, scale_shape, dtype)
    if len(scale_shape) == 2 and scale_shape[1] == -(-k // 128) and scale_shape[0] != n:  # blocks
        values = np.repeat(np.repeat(values, 128, 0)[:n], 128, 1)[:, :k]
    return {"weight": codes, name: scales}, from_e4m3(codes) * values


def compressed_tensors(form, weights, activations=None):
    return dict(quant_method="compressed-tensors", format=form, quantization_status="compressed",
                global_compression_ratio=None, ignore=["lm_head"], kv_cache_scheme=None,
                config_groups={"group_0": dict(
                    targets=["Linear"], output_activations=None, input_activations=activations,
                    weights=dict(dynamic=False, observer="minmax", symmetric=True, group_size=None,
                                 block_structure=None, actorder=None, type="int") | weights)})


TOKENS = dict(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True, group_size=None)
# Name: quantization_config, what columns are a multiple of, the makers of weights (by turns).
CASES = {
    "ct-int8": (compressed_tensors("int-quantized", dict(num_bits=8, strategy="channel"), TOKENS), 32,
                [lambda r, n, k: int8(r, n, k, "bf16"), lambda r, n, k: int8(r, n, k, np.float32)]),
    "ct-int4-g32": (compressed_tensors("pack-quantized", dict(num_bits=4, strategy="group", group_size=32)), 32,
                    [lambda r, n, k: pack_quantized(r, n, k, 32, "bf16", False)]),
    "ct-uint4-g128": (compressed_tensors("pack-quantized", dict(num_bits=4, strategy="group", group_size=128,
                                                                symmetric=False), TOKENS), 128,
                      [lambda r, n, k: pack_quantized(r, n, k, 128, np.float16, True)]),
    "ct-float8": (compressed_tensors("float-quantized", dict(num_bits=8, type="float", strategy="channel")), 32,
                  [lambda r, n, k: float8(r, n, k, (n, 1), "bf16"), lambda r, n, k: float8(r, n, k, (1,), np.float32)]),
    "fp8-blocks": (dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[128, 128]), 128,
                   [lambda r, n, k: float8(r, n, k, (-(-n // 128), -(-k // 128)), np.float32, "weight_scale_inv")]),
    "gptq-g128": (dict(quant_method="gptq", bits=4, group_size=128, desc_act=False, sym=True), 128,
                  [lambda r, n, k: gptq(r, n, k, 128, np.float16, False, 1)]),
    "gptq-g32": (dict(quant_method="gptq", bits=4, group_size=32, desc_act=False, sym=False, checkpoint_format="gptq"),
                 32, [lambda r, n, k: gptq(r, n, k, 32, "bf16", True, 1)]),
    "gptq-v2-g64": (dict(quant_method="gptq", bits=4, group_size=64, desc_act=False, checkpoint_format="gptq_v2"), 128,
                    [lambda r, n, k: gptq(r, n, k, 64, np.float16, True, 0)]),
    "awq-g64": (dict(quant_method="awq", bits=4, group_size=64, zero_point=True, version="gemm",
                     modules_to_not_convert=None), 128, [lambda r, n, k: awq(r, n, k, 64)]),
}


def write_case(name, seed):
    quantization, least_columns, makers = CASES[name]
    random = np.random.default_rng(seed)
    folder = DATA / name
    folder.mkdir(parents=True, exist_ok=True)
    inner = 160 if name == "fp8-blocks" else 32  # more than a block
    config = dict(model_type="llama", vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=inner, num_hidden_layers=1,
                  num_attention_heads=HEADS, num_key_value_heads=HEADS, head_dim=HEAD, max_position_embeddings=64,
                  rms_norm_eps=1e-5, tie_word_embeddings=True, eos_token_id=2, hidden_act="silu",
                  quantization_config=quantization)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = {"model.embed_tokens.weight": to_bf16(random.standard_normal((VOCAB, HIDDEN))),
               "model.norm.weight": to_bf16(random.uniform(0.5, 1.5, HIDDEN))}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"model.layers.0.{norm}.weight"] = to_bf16(random.uniform(0.5, 1.5, HIDDEN))
    products = {}
    for number, (module, (n, k)) in enumerate(modules(inner).items()):
        full = f"model.layers.0.{module}"
        if k % least_columns != 0:
            tensors[f"{full}.weight"] = to_bf16(random.standard_normal((n, k)) * 0.05)
            continue
        parts, weight = makers[number % len(makers)](random, n, k)
        tensors.update({f"{full}.{part}": array for part, array in parts.items()})
        products[full] = weight @ (((37 * np.arange(k)) % 101 - 50) / 64)
    write_safetensors(folder / "model.safetensors", tensors)
    np.concatenate([products[module] for module in sorted(products)]).astype("<f8").tofile(folder / "products.f64")


if __name__ == "__main__":
    for seed, case in enumerate(CASES):
        write_case(case, 20261125 + seed)
