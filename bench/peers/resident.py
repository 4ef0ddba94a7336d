"""What the peers that stay loaded share: their command line, and one report a line read."""
import argparse
import json
import random
import sys


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--input-len", type=int, default=32)
    parser.add_argument("--output-len", type=int, default=64, help="decode steps after the prompt; 0: the prompt alone")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def random_prompts(args, seed, vocabulary):
    generator = random.Random(seed)
    return [[generator.randrange(vocabulary) for _ in range(args.input_len)] for _ in range(args.batch_size)]


def answer(args, about, vocabulary, measure):
    """For every line of standard input calls measure(prompts) -> (seconds of the prompts, seconds of the steps)."""
    for seed, _ in enumerate(sys.stdin):
        prefill, decode = measure(random_prompts(args, seed, vocabulary))
        tokens = args.batch_size * args.output_len
        print(json.dumps({"report": {
            "about": about, "prefill_tokens_per_s": args.batch_size * args.input_len / prefill,
            "decode_tokens_per_s": tokens / decode if tokens else None,
            "served_tokens_per_s": tokens / (prefill + decode) if tokens else None}}), flush=True)
