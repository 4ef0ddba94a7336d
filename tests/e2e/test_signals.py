"""SIGINT and SIGTERM, early, late and twice; a batch that was broken off and goes on."""

import json
import os
import signal
import subprocess
import time

import pytest
from server_tools import connect, free_port, long_chat, own_server, raw_request, wait_running, wait_until

BINARY, MODEL = os.environ.get("CAIRN_BINARY"), os.environ.get("CAIRN_MODEL")
pytestmark = pytest.mark.skipif(not BINARY or not MODEL, reason="set CAIRN_BINARY and CAIRN_MODEL")
SMALL = ["--max-model-len", "1024", "--kv-cache-memory-bytes", "64M"]
LINES = 24
BOTH = pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])


def ends(process, seconds=5):
    """Its status, which it has to reach by itself."""
    try:
        return process.wait(seconds)
    finally:
        process.kill()


@BOTH
def test_second_signal_ends_a_draining_server_at_once(second):
    with own_server("--shutdown-timeout", "60") as (url, process), connect(url, raw_request(long_chat(stream=True))):
        wait_running(url)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(second)
        assert ends(process) == 128 + second


@pytest.mark.parametrize("after", [0, 0.01, 0.05, 0.2, 0.5], ids=lambda after: f"{after * 1000:.0f}ms")
def test_signals_during_the_end_of_a_server_never_leave_it_hanging(after):
    # Whenever the second comes, while the last answer drains or objects go: the end is the drain's or the signal's.
    with own_server() as (url, process), connect(url, raw_request(long_chat(stream=True, max_tokens=20))) as running:
        assert running.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        while running.recv(65536):
            pass
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        assert ends(process) in (0, 128 + signal.SIGINT)


def test_idle_server_ends_with_0_by_either_signal():
    for first in (signal.SIGTERM, signal.SIGINT):
        with own_server() as (_, process):
            process.send_signal(first)
            assert ends(process) == 0


def test_signal_while_the_model_loads_ends_the_server():
    for wait in (0, 0.02, 0.1, 0.3):
        process = subprocess.Popen([BINARY, "serve", MODEL, *SMALL, "--port", str(free_port())],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGTERM)
        # Killed before there was a handler or a server; loading; or already serving.
        assert ends(process, 10) in (-signal.SIGTERM, 128 + signal.SIGTERM, 0)


@pytest.fixture(name="batch")
def make_batch(tmp_path):
    lines = [{"custom_id": f"q{i}", "prompt": f"{i} stones, and then", "max_tokens": 40 + 7 * (i % 5), "ignore_eos": True,
              "temperature": 0.8, "seed": i} for i in range(LINES)]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def generate(batch, output, *more):
    # Two at a time, so that answers come bit by bit.
    words = ["generate", MODEL, *SMALL, "--max-num-seqs", "2", "--input-jsonl", batch, "--output", output, *more]
    return subprocess.Popen([BINARY, *words], stderr=subprocess.DEVNULL)


def count_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture(name="whole", scope="module")
def run_without_a_break():
    answers = {}  # one run for every test of this module

    def whole(batch, output):
        if "bytes" not in answers:
            assert generate(batch, output).wait(120) == 0
            answers["bytes"] = output.read_bytes()
        return answers["bytes"]

    return whole


@pytest.mark.parametrize("first", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill", "int", "term"])
def test_resumed_batch_is_the_same_as_one_without_a_break(batch, whole, tmp_path, first):
    expected = whole(batch, tmp_path / "whole.jsonl")
    output = tmp_path / "out.jsonl"
    for goal in (3, 9):  # broken off twice
        process = generate(batch, output, "--resume")
        wait_until(lambda goal=goal: count_lines(output) >= goal or process.poll() is not None, 60, "some answers are written")
        process.send_signal(first)
        assert ends(process, 20) == (-first if first == signal.SIGKILL else 128 + first)
        begun = output.read_bytes()
        assert goal <= count_lines(output) < LINES
        assert expected.startswith(begun[: begun.rfind(b"\n") + 1])
    with open(output, "ab") as torn:  # as a full disk or a lost machine may leave it
        torn.write(expected[output.stat().st_size :][:30])
    assert generate(batch, output, "--resume").wait(120) == 0
    assert output.read_bytes() == expected
    again = generate(batch, output, "--resume")
    assert again.wait(60) == 0 and output.read_bytes() == expected


@BOTH
def test_second_signal_ends_a_batch_at_once(batch, tmp_path, second):
    process = generate(batch, tmp_path / "out.jsonl")
    wait_until(lambda: count_lines(tmp_path / "out.jsonl") >= 1, 60, "an answer is written")
    process.send_signal(signal.SIGINT)
    process.send_signal(second)
    # Both at once may reach it as one, when they are alike; then the batch ends as stopped.
    assert ends(process, 20) in {128 + second, 130}
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        json.loads(line)
