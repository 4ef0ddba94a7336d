#!/usr/bin/env python3
"""Small seeded random models saved by transformers, with torch's logits at every position.

Each folder of tests/reference/data/models holds config.json, model.safetensors (under 600 KB) and

  reference.json   versions, and the prompts as token ids
  logits.bin       f32 little-endian [sum of prompt lengths, vocab_size], f32 arithmetic
  logits_bf16.bin  the same of the bf16 run in torch, for models stored in bf16

usage: make_tiny_models.py OUT_FOLDER     (needs torch and transformers; written with the versions in reference.json)
"""
import json
import os
import sys

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

COMMON = dict(vocab_size=256, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5, initializer_range=0.25,
              bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)
MODELS = {
    "tiny-llama-f32": (LlamaForCausalLM, LlamaConfig(**COMMON, tie_word_embeddings=True), torch.float32),
    "tiny-llama-bias-f32": (LlamaForCausalLM, LlamaConfig(**COMMON, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                                                          head_dim=32), torch.float32),
    "tiny-llama3-rope-f32": (LlamaForCausalLM, LlamaConfig(**COMMON, tie_word_embeddings=False, rope_parameters=LLAMA3_ROPE), torch.float32),
    "tiny-qwen3-f32": (Qwen3ForCausalLM, Qwen3Config(**COMMON, head_dim=32, tie_word_embeddings=False), torch.float32),
    "tiny-llama-bf16": (LlamaForCausalLM, LlamaConfig(**COMMON, tie_word_embeddings=True), torch.bfloat16),
    "tiny-qwen3-bf16": (Qwen3ForCausalLM, Qwen3Config(**COMMON, head_dim=32, tie_word_embeddings=True), torch.bfloat16),
}
LENGTHS = [1, 17, 40]


def logits(model, prompts):
    with torch.no_grad():
        return torch.cat([model(torch.tensor([p])).logits[0].float() for p in prompts]).contiguous().numpy()


def main():
    out = sys.argv[1]
    for seed, (name, (cls, config, dtype)) in enumerate(MODELS.items()):
        torch.manual_seed(1000 + seed)
        model = cls(config).eval()
        with torch.no_grad():  # norms and biases that matter
            for key, parameter in model.named_parameters():
                if "norm" in key:
                    parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
                elif key.endswith("bias"):
                    parameter.copy_(0.3 * torch.randn_like(parameter))
        model = model.to(dtype)
        prompts = [torch.randint(0, config.vocab_size, (n,)).tolist() for n in LENGTHS]
        folder = os.path.join(out, name)
        model.save_pretrained(folder)
        if dtype == torch.bfloat16:
            logits(model, prompts).tofile(os.path.join(folder, "logits_bf16.bin"))
        logits(model.float(), prompts).tofile(os.path.join(folder, "logits.bin"))
        with open(os.path.join(folder, "reference.json"), "w") as file:
            json.dump({"torch": torch.__version__, "transformers": transformers.__version__, "prompts": prompts}, file)
        print(name, {f: os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)})


if __name__ == "__main__":
    main()
