"""Quantized safetensors formats for make_random_model.py: rounding to nearest, no search. Needs numpy."""
import numpy as np

FP8_BLOCK = 128
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the output in each nibble of a word


def bf16(array):
    """Bits, rounded to nearest even (no NaN here)."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def rounded_bf16(array):
    return (bf16(array).astype(np.uint32) << 16).view(np.float32)


def e4m3(array):
    """Codes of 8-bit floats, rounded to nearest even; beyond 448: 448."""
    magnitude = np.abs(array)
    exponent = np.maximum(np.frexp(magnitude)[1] - 1, -6)
    code = np.rint(np.ldexp(magnitude, 3 - exponent)) + 8 * (exponent + 6)
    return (np.minimum(code, 0x7E).astype(np.uint8) | np.where(np.signbit(array), 0x80, 0).astype(np.uint8))


def packed(codes, axis, order=range(8)):
    """Eight codes of 0..15 along an axis a word of 32 bits; `order`: which of the eight each nibble holds."""
    words = np.moveaxis(codes, axis, -1).astype(np.uint32)
    words = words.reshape(*words.shape[:-1], -1, 8)
    result = np.zeros(words.shape[:-1], np.uint32)
    for nibble, element in enumerate(order):
        result |= words[..., element] << np.uint32(4 * nibble)
    return np.ascontiguousarray(np.moveaxis(result, -1, axis)).view(np.int32)


def int8(weight):
    scale = rounded_bf16(np.abs(weight).max(1, keepdims=True) / 127)
    return {"weight": np.clip(np.rint(weight / scale), -128, 127).astype(np.int8), "weight_scale": bf16(scale)}


def symmetric4(weight, group):
    x = weight.reshape(len(weight), -1, group)
    scale = rounded_bf16(np.abs(x).max(2) / 7.5)
    codes = np.clip(np.rint(x / scale[..., None]) + 8, 0, 15).astype(np.uint8)
    return codes.reshape(weight.shape), scale


def asymmetric4(weight, group):
    x = weight.reshape(len(weight), -1, group)
    low, high = np.minimum(x.min(2), 0), np.maximum(x.max(2), 0)
    scale = ((high - low) / 15).astype(np.float16).astype(np.float32)
    zeros = np.clip(np.rint(-low / scale), 1, 15).astype(np.uint8)
    codes = np.clip(np.rint(x / scale[..., None]) + zeros[..., None], 0, 15).astype(np.uint8)
    return codes.reshape(weight.shape), scale, zeros


def int4(weight, group=128):
    codes, scale = symmetric4(weight, group)
    return {"weight_packed": packed(codes, 1), "weight_scale": bf16(scale),
            "weight_shape": np.array(weight.shape, np.int64)}


def gptq(weight, group=128):
    codes, scale, zeros = asymmetric4(weight, group)
    return {"qweight": packed(codes.T, 0), "qzeros": packed(zeros.T - 1, 1),
            "scales": np.ascontiguousarray(scale.T).astype(np.float16),
            "g_idx": (np.arange(weight.shape[1]) // group).astype(np.int32)}


def awq(weight, group=128):
    codes, scale, zeros = asymmetric4(weight, group)
    return {"qweight": packed(codes.T, 1, AWQ_ORDER), "qzeros": packed(zeros.T, 1, AWQ_ORDER),
            "scales": np.ascontiguousarray(scale.T).astype(np.float16)}


def fp8(weight):
    scale = rounded_bf16(np.abs(weight).max(1, keepdims=True) / 448)
    return {"weight": e4m3(weight / scale), "weight_scale": bf16(scale)}


def fp8_blocks(weight):
    n, k = weight.shape
    padded = np.pad(np.abs(weight), ((0, -n % FP8_BLOCK), (0, -k % FP8_BLOCK)))
    scale = padded.reshape(-(-n // FP8_BLOCK), FP8_BLOCK, -(-k // FP8_BLOCK), FP8_BLOCK).max((1, 3)) / np.float32(448)
    whole = scale.repeat(FP8_BLOCK, 0)[:n].repeat(FP8_BLOCK, 1)[:, :k]
    return {"weight": e4m3(weight / whole), "weight_scale_inv": scale.astype(np.float32)}


def compressed_tensors(form, **weights):
    return dict(quant_method="compressed-tensors", format=form, quantization_status="compressed", ignore=["lm_head"],
                config_groups=dict(group_0=dict(targets=["Linear"], weights=dict(dynamic=False, symmetric=True) | weights)))


# Name: the parts of a weight, and quantization_config.
FORMATS = {
    "int8": (int8, compressed_tensors("int-quantized", num_bits=8, type="int", strategy="channel")),
    "int4": (int4, compressed_tensors("pack-quantized", num_bits=4, type="int", strategy="group", group_size=128)),
    "gptq": (gptq, dict(quant_method="gptq", bits=4, group_size=128, desc_act=False, sym=False)),
    "awq": (awq, dict(quant_method="awq", bits=4, group_size=128, zero_point=True, version="gemm")),
    "fp8": (fp8, compressed_tensors("float-quantized", num_bits=8, type="float", strategy="channel")),
    "fp8-blocks": (fp8_blocks, dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic",
                                    weight_block_size=[FP8_BLOCK, FP8_BLOCK])),
}
# Arrays of uint16 and uint8 hold the bits of types that numpy has not.
CODES = {"float32": "F32", "float16": "F16", "uint16": "BF16", "uint8": "F8_E4M3", "int8": "I8", "int32": "I32",
         "int64": "I64"}
