#!/usr/bin/env python3
"""Times vLLM's CPU backend on one shape; a report for every line of standard input."""
import time

import vllm
from resident import answer, parse
from vllm.inputs import TokensPrompt


def main():
    args = parse()
    # The same limits for every shape, so that what it compiles is found in its cache the next time.
    model = vllm.LLM(args.model, dtype="bfloat16", max_model_len=4096, max_num_seqs=64, max_num_batched_tokens=4096, enable_prefix_caching=False,
                     skip_tokenizer_init=True)

    def seconds(prompts, tokens):
        params = vllm.SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True, detokenize=False)
        start = time.perf_counter()
        model.generate([TokensPrompt(prompt_token_ids=prompt) for prompt in prompts], params, use_tqdm=False)
        return time.perf_counter() - start

    def measure(prompts):
        prefill = seconds(prompts, 1)
        return prefill, seconds(prompts, args.output_len + 1) - prefill if args.output_len else 0.0

    answer(args, f"vLLM {vllm.__version__}, CPU backend, bfloat16", 1000, measure)


if __name__ == "__main__":
    main()
