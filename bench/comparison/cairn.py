"""Cairn's side: its own benchmarks, its server, and the limits of the machine."""
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import time
import urllib.request

from comparison.rows import ANSWER, CONTEXT
from comparison.tools import ROOT, run, stop

PERPLEXITY_WINDOW = 512


def build():
    if "CAIRN_BINARY" in os.environ:
        return os.environ["CAIRN_BINARY"]
    if not (ROOT / "build/release/build.ninja").exists():
        run(["cmake", "--preset", "release"], cwd=ROOT)
    run(["cmake", "--build", "build/release", "--target", "cairn"], cwd=ROOT)
    return str(ROOT / "build/release/cairn")


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


class Cairn:
    name = "cairn"
    wants_folder = False

    def __init__(self, binary, threads):
        self.binary, self.threads = binary, threads
        self.about = " ".join(run([binary, "version"]).split())
        self.weight_bytes = 0

    def limits(self):
        """{name: value in GB/s or GOP/s} with this side's threads."""
        report = json.loads(run([self.binary, "bench", "limits", "--threads", self.threads, "--json", "-"]))
        return {limit["name"]: limit["value"] for limit in report["limits"] if limit["threads"] == self.threads}

    def bench(self, path, input_len, output_len, batch):
        report = json.loads(run([self.binary, "bench", "latency", path, "--threads", self.threads, "--input-len", input_len, "--output-len",
                                 output_len, "--batch-size", batch, "--num-iters", 1, "--json", "-"]))
        self.weight_bytes = report["weight_bytes"]
        decode = report.get("decode")
        # As the peer's, the load ends with a first token.
        first_token = decode["seconds"]["median"] / output_len if decode else 0
        return {"decode": decode and decode["tokens_per_s"], "prefill": report["prefill"]["tokens_per_s"], "load": report["load_seconds"] + first_token}

    def measurer(self, stack, row, path):
        """A function from round to value."""
        if row.kind == "serve":
            return self.user_measurer(stack, path, row.size)
        if row.kind == "perplexity":
            url, server = stack.enter_context(self.server(path, 4))
            return lambda _: self.perplexity(url, server)
        shape = {"decode": (CONTEXT, ANSWER, row.size), "prefill": (row.size, 0, 1), "load": (16, 1, 1)}[row.kind]
        return lambda _: self.bench(path, *shape)[row.kind]

    @contextlib.contextmanager
    def server(self, path, users):
        """The address and the process of a server; stopped between measurements, out of the peers' way."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        server = subprocess.Popen([self.binary, "serve", str(path), "--port", str(port), "--threads", str(self.threads), "--max-num-seqs", str(users),
                                   "--max-model-len", "1024", "--kv-cache-memory-bytes", "1GiB", "--log-level", "warning"], stdout=subprocess.DEVNULL)
        try:
            wait_healthy(server, url)
            yield url, server
        finally:
            server.send_signal(signal.SIGCONT)
            server.terminate()
            server.wait()

    def user_measurer(self, stack, path, users):
        url, server = stack.enter_context(self.server(path, users))

        def measure(seed):
            with running(server):
                report = json.loads(run([self.binary, "bench", "serve", "--base-url", url, "--num-prompts", users, "--max-concurrency", users,
                                         "--input-len", CONTEXT, "--output-len", ANSWER, "--seed", seed, "--json", "-"]))
            return report["output_tokens_per_s"]

        measure(0)  # warms up
        return measure

    def perplexity(self, url, server):
        with running(server):
            total, count = 0.0, 0
            for window in perplexity_windows(lambda text: post(url + "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]):
                answer = post(url + "/v1/completions", {"prompt": window, "max_tokens": 1, "prompt_logprobs": 0, "temperature": 0})
                for token, position in zip(window[1:], answer["choices"][0]["prompt_logprobs"][1:]):
                    total -= position[str(token)]["logprob"]
                    count += 1
        return math.exp(total / count)


def perplexity_windows(tokenize):
    """The text of bench/data as windows of token ids."""
    ids = tokenize((ROOT / "bench/data/declaration.txt").read_text(encoding="utf-8"))
    return [ids[i:i + PERPLEXITY_WINDOW] for i in range(0, len(ids) - 1, PERPLEXITY_WINDOW)]


@contextlib.contextmanager
def running(server):
    server.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        server.send_signal(signal.SIGSTOP)


def wait_healthy(server, url):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if server.poll() is not None:
            stop("cairn serve ended before it was ready")
        with contextlib.suppress(OSError), urllib.request.urlopen(url + "/health", timeout=5):
            return
        time.sleep(0.2)
    server.kill()
    stop("cairn serve was not ready after 300 s")
