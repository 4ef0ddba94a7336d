#!/usr/bin/env python3
"""Times llama.cpp, by llama-cpp-python's low-level interface, on one shape; prints one JSON object.

--batch-size sequences of --input-len tokens are computed, then --output-len steps of one token each; both parts are timed
after a round that is not counted. With --no-warm-up the first round is the one that counts. The load ends with a first token.
With --perplexity FILE it prints the perplexity of that text instead, cut into windows of 512 tokens that share no context.
"""
import argparse
import ctypes
import json
import math
import pathlib
import random
import resource
import time

import llama_cpp as lib
import numpy as np

PERPLEXITY_WINDOW = 512


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--input-len", type=int, default=32)
    parser.add_argument("--output-len", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-warm-up", action="store_true")
    parser.add_argument("--unified-kv", action="store_true", help="one KV buffer for all sequences, as llama.cpp's -kvu")
    parser.add_argument("--perplexity", type=pathlib.Path, metavar="FILE")
    return parser.parse_args()


def make_context(model, args):
    params = lib.llama_context_default_params()
    cells = (args.input_len + args.output_len + 31) // 32 * 32  # a sequence's share of the cache
    params.n_ctx = max(cells * args.batch_size, 256)
    params.n_batch = 2048
    params.n_ubatch = 512
    params.n_seq_max = args.batch_size
    params.n_threads = params.n_threads_batch = args.threads
    params.kv_unified = args.unified_kv
    params.no_perf = True
    context = lib.llama_init_from_model(model, params)
    if not context:
        raise SystemExit("llama.cpp made no context")
    return context


class Batch:
    """A llama_batch that is filled token by token."""

    def __init__(self, capacity):
        self.batch = lib.llama_batch_init(capacity, 0, 1)
        self.capacity = capacity

    def clear(self):
        self.batch.n_tokens = 0

    def add(self, token, position, sequence, wants_logits):
        i = self.batch.n_tokens
        self.batch.token[i] = token
        self.batch.pos[i] = position
        self.batch.n_seq_id[i] = 1
        self.batch.seq_id[i][0] = sequence
        self.batch.logits[i] = wants_logits
        self.batch.n_tokens = i + 1

    def run(self, context):
        if self.batch.n_tokens and lib.llama_decode(context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        self.clear()


def prefill(context, batch, prompts):
    for sequence, prompt in enumerate(prompts):
        for position, token in enumerate(prompt):
            batch.add(token, position, sequence, position + 1 == len(prompt))
            if batch.batch.n_tokens == batch.capacity:
                batch.run(context)
    batch.run(context)
    lib.llama_synchronize(context)


def decode(context, batch, start, steps, tokens):
    for step in range(steps):
        for sequence, token in enumerate(tokens):
            batch.add(token, start + step, sequence, True)
        batch.run(context)
        # What a sampler would wait for.
        lib.llama_synchronize(context)


def tokenize(model, text):
    tokens = (lib.llama_token * (len(text) + 8))()
    count = lib.llama_tokenize(lib.llama_model_get_vocab(model), text, len(text), tokens, len(tokens), False, False)
    if count < 0:
        raise SystemExit("llama_tokenize failed")
    return tokens[:count]


def perplexity(model, args):
    args.batch_size, args.input_len, args.output_len = 1, PERPLEXITY_WINDOW, 0
    context, batch = make_context(model, args), Batch(PERPLEXITY_WINDOW)
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    ids = tokenize(model, args.perplexity.read_bytes())
    total, count = 0.0, 0
    for begin in range(0, len(ids) - 1, PERPLEXITY_WINDOW):
        window = ids[begin:begin + PERPLEXITY_WINDOW]
        lib.llama_memory_clear(lib.llama_get_memory(context), True)
        for position, token in enumerate(window):
            batch.add(token, position, 0, True)
        batch.run(context)
        logits = np.ctypeslib.as_array(lib.llama_get_logits(context), (len(window), vocabulary)).astype(np.float64)
        best = logits.max(1, keepdims=True)
        sums = best[:, 0] + np.log(np.exp(logits - best).sum(1))
        for position, token in enumerate(window[1:]):
            total += sums[position] - logits[position, token]
            count += 1
    return math.exp(total / count)


def about():
    return {"version": lib.__version__, "system": lib.llama_print_system_info().decode().strip()}


def main():
    args = parse()
    quiet = lib.llama_log_callback(lambda level, text, data: None)
    lib.llama_log_set(quiet, ctypes.c_void_p(0))
    start = time.perf_counter()
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(args.model.encode(), lib.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp could not open {args.model}")
    if args.perplexity:
        print(json.dumps({"perplexity": perplexity(model, args), **about()}))
        return
    context = make_context(model, args)
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    generator = random.Random(1)
    prompts = [[generator.randrange(vocabulary) for _ in range(args.input_len)] for _ in range(args.batch_size)]
    tokens = [generator.randrange(vocabulary) for _ in range(args.batch_size)]
    batch = Batch(2048)
    memory = lib.llama_get_memory(context)
    for round_number in range(1 if args.no_warm_up else 2):
        lib.llama_memory_clear(memory, True)
        t0 = time.perf_counter()
        prefill(context, batch, prompts)
        t1 = time.perf_counter()
        if round_number == 0:
            load_seconds = t1 - start
        decode(context, batch, args.input_len, args.output_len, tokens)
        t2 = time.perf_counter()
    decoded = args.batch_size * args.output_len
    print(json.dumps({
        "prefill_tokens_per_s": args.batch_size * args.input_len / (t1 - t0),
        "decode_tokens_per_s": decoded / (t2 - t1) if decoded else None,
        "served_tokens_per_s": decoded / (t2 - t0) if decoded else None,
        "load_seconds": load_seconds, "max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        **about()}))


if __name__ == "__main__":
    main()
