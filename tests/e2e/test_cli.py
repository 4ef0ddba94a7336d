"""The command line as a user meets it."""

import json
import os
import pty
import select
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

BINARY, MODEL = os.environ.get("CAIRN_BINARY"), os.environ.get("CAIRN_MODEL")
pytestmark = pytest.mark.skipif(not BINARY or not MODEL, reason="set CAIRN_BINARY and CAIRN_MODEL")
SMALL = ["--max-model-len", "1024", "--kv-cache-memory-bytes", "128M"]


def cairn(*words, text=None, expect=0):
    done = subprocess.run([BINARY, *map(str, words)], input=text, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stderr
    return done


def test_version_and_wrong_usage():
    assert cairn("version").stdout.startswith("cairn ")
    assert "nonsense" in cairn("nonsense", expect=2).stderr
    assert "--temperature" in cairn("generate", MODEL, "--temperature", "hot", "Hi", expect=2).stderr


def test_generate_answers_and_keeps_its_progress_off_standard_output():
    done = cairn("generate", MODEL, *SMALL, "--chat", "--temperature", 0, "--max-tokens", 20, "What is the capital of France?")
    assert "Paris" in done.stdout and "%" not in done.stdout


def test_generate_reads_json_lines_and_names_a_bad_one(tmp_path):
    lines = [{"custom_id": f"q{i}", "prompt": f"{i} and", "max_tokens": 3} for i in range(5)] + [{"custom_id": "bad", "prompt": 7}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    subprocess.run([BINARY, "generate", MODEL, *SMALL, "--input-jsonl", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl"],
                   capture_output=True, timeout=120, check=False)
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [answer["custom_id"] for answer in answers] == [line["custom_id"] for line in lines]
    assert all(answer["choices"][0]["text"] for answer in answers[:5]) and answers[5]["error"]


def test_inspect_prints_config_graphs_and_plan(tmp_path):
    assert "llama" in cairn("inspect", MODEL).stdout
    assert "MatMul" in cairn("inspect", MODEL, "--graph", "text").stdout
    plan = cairn("inspect", MODEL, "--plan").stdout
    assert all(word in plan for word in ("steps", "buffers", "peak activation memory"))
    with open(MODEL, "rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(100_000))
    done = subprocess.run([BINARY, "inspect", tmp_path / "cut.gguf"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2) and len(done.stderr.strip().splitlines()) == 1


def test_bench_ops_draws_its_roofline(tmp_path):
    done = cairn("bench", "ops", MODEL, "--input-len", 32, "--context", 16, "--num-iters", 1, "--batch-sizes", 1, "--svg",
                 tmp_path / "roof.svg", "--json", "-")
    report = json.loads(done.stdout)
    assert {"MatMul", "PagedAttention"} <= {row["op"] for phase in report["phases"] for row in phase["operators"]}
    assert xml.etree.ElementTree.parse(tmp_path / "roof.svg").getroot().tag.endswith("svg")


def test_bench_serve_tells_the_first_token_from_the_last(cairn_url):
    report = json.loads(cairn("bench", "serve", "--base-url", cairn_url, "--num-prompts", 4, "--input-len", 16, "--output-len", 48,
                              "--json", "-").stdout)
    assert report["completed"] == 4
    assert 0 < report["ttft_ms"]["mean"] < 0.8 * report["e2el_ms"]["mean"]


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(BINARY, [BINARY, *words])
        self.text = ""

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self.fd], [], [], 0.2)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())


def test_chat_in_a_terminal_stops_an_answer_and_goes_on():
    terminal = Terminal("chat", MODEL, *SMALL, "--temperature", "0")
    try:
        terminal.wait_for(lambda text: ">" in text)
        terminal.type("Write a very long story about a stone.\n")
        terminal.wait_for(lambda text: len(text) > 120)
        terminal.type("\x03")
        terminal.wait_for(lambda text: ">" in text)
        terminal.type("What is the capital of France?\n")
        terminal.wait_for(lambda text: "Paris" in text)
        terminal.type("/quit\n")
        deadline = time.monotonic() + 20
        done, status = 0, 0
        while not done:
            assert time.monotonic() < deadline, terminal.text
            if select.select([terminal.fd], [], [], 0.1)[0]:
                try:
                    os.read(terminal.fd, 65536)
                except OSError:
                    pass
            done, status = os.waitpid(terminal.pid, os.WNOHANG)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        try:
            os.kill(terminal.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
