#!/usr/bin/env python3
"""Times OpenVINO GenAI's continuous batching on one shape; a report for every line of standard input."""
import time

import numpy as np
import openvino
import openvino_genai as genai
from resident import answer, parse


def main():
    args = parse()
    scheduler = genai.SchedulerConfig()
    scheduler.max_num_batched_tokens = 2048
    scheduler.max_num_seqs = args.batch_size
    scheduler.cache_size = 4  # GiB
    scheduler.enable_prefix_caching = False
    pipeline = genai.ContinuousBatchingPipeline(args.model, scheduler_config=scheduler, device="CPU",
                                                properties={"INFERENCE_NUM_THREADS": args.threads})
    config = genai.GenerationConfig()
    config.do_sample, config.ignore_eos, config.max_new_tokens = False, True, args.output_len + 1

    def measure(prompts):
        start = time.perf_counter()
        handles = [pipeline.add_request(i, openvino.Tensor(np.array([prompt], np.int64)), config) for i, prompt in enumerate(prompts)]
        waiting, middle = set(range(len(handles))), None
        while pipeline.has_non_finished_requests():
            pipeline.step()
            if waiting:  # the prompts are done when each has its first token
                waiting -= {i for i in waiting if handles[i].can_read()}
                middle = time.perf_counter()
        return middle - start, time.perf_counter() - middle

    answer(args, f"OpenVINO GenAI {genai.__version__}, continuous batching, INFERENCE_NUM_THREADS={args.threads}", 1000, measure)


if __name__ == "__main__":
    main()
