#!/usr/bin/env python3
"""SmolLM2-135M-Instruct against llama.cpp and transformers.

Teacher-forced along llama.cpp's own greedy answers to 20 prompts x 64 tokens: top-1 agreement, the logit gap at every
disagreement, mean KL divergence; and against the same weights dequantized and run in f32 by transformers.

Needs an interpreter with llama-cpp-python, torch, transformers and gguf; and the program cairn_logits.
usage: real_model.py --logits build/release/tests/cairn_logits --model SmolLM2-135M-Instruct.Q4_1.gguf
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np

PROMPTS = [
    "What is the capital of France?", "Explain why the sky is blue in two sentences.", "Write a haiku about a river.",
    "List three uses of a paperclip.", "Translate 'good morning' into Spanish.", "What is 17 plus 25?",
    "Who wrote Romeo and Juliet?", "Give me a recipe for pancakes.", "What does a compiler do?",
    "Describe the life cycle of a butterfly.", "Write a short story about a lost dog.", "How do vaccines work?",
    "What is the difference between a list and a tuple in Python?", "Name the planets of the solar system.",
    "Write an email asking for a day off.", "What are the benefits of exercise?", "Summarize the French Revolution.",
    "Write a Python function that reverses a string.", "Why do leaves change colour in autumn?", "Tell me a joke about cats.",
]
CHAT = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def llama_cpp_run(model, tokens):
    """Greedy answers; returns [(ids, first answer position, logits at every answer position)]."""
    import llama_cpp
    llama = llama_cpp.Llama(model, n_ctx=2048, n_threads=2, n_threads_batch=2, logits_all=True, verbose=False)
    runs = []
    for prompt in PROMPTS:
        ids = llama.tokenize(CHAT.format(prompt).encode(), add_bos=False, special=True)
        llama.reset()
        llama.eval(ids)
        start = len(ids)
        rows = []
        for _ in range(tokens):
            rows.append(np.array(llama.scores[llama.n_tokens - 1], dtype=np.float32))
            token = int(rows[-1].argmax())
            ids.append(token)
            if token == llama.token_eos():
                break
            llama.eval([token])
        runs.append((ids, start, np.stack(rows)))
    print(f"llama-cpp-python {llama_cpp.__version__}: {len(runs)} prompts, {sum(len(r[2]) for r in runs)} positions")
    return runs


def transformers_logits(model, sequences):
    import torch
    import transformers
    torch.manual_seed(0)
    folder, name = os.path.split(os.path.abspath(model))
    net = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, f32 on dequantized weights")
    with torch.no_grad():
        return [net(torch.tensor([ids])).logits[0].numpy() for ids in sequences]


def compare(name, ours, theirs):
    agree, kl, gaps, count = 0, 0.0, [], 0
    for mine, other in zip(ours, theirs):
        a, b = log_softmax(mine), log_softmax(other)
        kl += float((np.exp(b) * (b - a)).sum())
        best = other.argmax(-1)
        same = mine.argmax(-1) == best
        agree += int(same.sum())
        count += len(mine)
        for row in np.flatnonzero(~same):
            two = np.sort(other[row])[-2:]
            gaps.append(float(two[1] - two[0]))
    result = {"peer": name, "positions": count, "top1_agreement": agree / count, "mean_kl": kl / count,
              "disagreements": len(gaps), "largest_gap_at_disagreement": max(gaps, default=0.0)}
    print(json.dumps(result))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logits", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    runs = llama_cpp_run(args.model, args.tokens)
    sequences = [ids[:-1] for ids, _, _ in runs]
    with tempfile.TemporaryFile() as stdin, tempfile.NamedTemporaryFile() as out:
        stdin.write("".join(json.dumps(ids) + "\n" for ids in sequences).encode())
        stdin.seek(0)
        subprocess.run([args.logits, args.model, "2048"], stdin=stdin, stdout=out, check=True)
        vocab = runs[0][2].shape[1]
        flat = np.fromfile(out.name, dtype=np.float32).reshape(-1, vocab)
    ours, at = [], 0
    for ids, start, rows in runs:
        ours.append(flat[at + start - 1:at + len(ids) - 1])
        at += len(ids) - 1
    llama = compare("llama.cpp", ours, [rows for _, _, rows in runs])
    torch_rows = [logits[start - 1:] for logits, (_, start, _) in zip(transformers_logits(args.model, sequences), runs)]
    f32 = compare("transformers f32", ours, torch_rows)
    compare("llama.cpp against transformers f32 (for scale)", [rows for _, _, rows in runs], torch_rows)
    ok = (llama["top1_agreement"] >= 0.98 and llama["largest_gap_at_disagreement"] < 0.5 and llama["mean_kl"] < 0.005
          and f32["top1_agreement"] >= 0.99)
    print("within the bars" if ok else "OUTSIDE the bars (98 %, gap 0.5, KL 0.005; 99 % against f32)")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
