"""Load: every kind of client at once against a small server that has to queue and preempt, and what is left behind.

CAIRN_LOAD_SECONDS is how long the mixed load runs (10); a tenth of it, and at least 3 s, goes before as a warm-up.
CAIRN_LOAD_RSS_MB is how much the server's memory may grow from the warm-up's end on (24): sanitizers need more.
CAIRN_LOAD_PATIENCE multiplies the time limits, for builds that are slow (1).
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

import pytest
from server_tools import address, connect, metrics, own_server, post_json, raw_request, wait_idle, wait_until

SECONDS = float(os.environ.get("CAIRN_LOAD_SECONDS", 10))
RSS_MB = float(os.environ.get("CAIRN_LOAD_RSS_MB", 24))
PATIENCE = float(os.environ.get("CAIRN_LOAD_PATIENCE", 1))
TIMEOUT = 60 * PATIENCE

# Room for some 500 tokens in all, 8 requests at once and 12 that wait.
FLAGS = ["--max-num-seqs", "8", "--max-waiting", "12", "--max-num-batched-tokens", "256"]
LIMITS = {"max_model_len": 400, "kv_cache": "12M"}

WORDS = "stone river moon seven green house under walks slowly bright the a of and in".split()
HEADERS = {"Content-Type": "application/json"}


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


class Load:
    """Clients in threads, each repeating its part until the time is over. A failed expectation ends the run."""

    def __init__(self, url, expected):
        self.url, self.expected = url, expected
        self.host, self.port = address(url)
        self.counts, self.failures = collections.Counter(), []
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.slowest_health = 0.0

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def run(self, seconds, parts):
        self.stop.clear()
        threads = [threading.Thread(target=self.repeat, args=(part, number)) for number, part in enumerate(parts)]
        for thread in threads:
            thread.start()
        self.stop.wait(seconds)
        self.stop.set()
        for thread in threads:
            thread.join(3 * TIMEOUT)
            assert not thread.is_alive(), "a client got no answer"
        assert not self.failures, "\n".join(self.failures[:3])

    def repeat(self, part, number):
        rng = random.Random(number)
        while not self.stop.is_set():
            try:
                part(self, rng)
            except Exception:
                self.failures.append(f"{part.__name__}:\n{traceback.format_exc()}")
                self.stop.set()

    def open(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)

    def ask(self, connection, path, body):
        """The reply's status and JSON. A full queue is waited out."""
        while True:
            connection.request("POST", path, json.dumps(body), HEADERS)
            reply = connection.getresponse()
            data = json.loads(reply.read())
            if reply.status != 429:
                return reply.status, data
            self.refused(reply)
            if self.stop.wait(0.05):
                return None, None

    def refused(self, reply):
        assert int(reply.headers["Retry-After"]) >= 1
        self.count("429")


def events_of(reply):
    """Reads a stream to its end, which has to be proper; the events but for the last, [DONE]."""
    events = [line[6:] for line in reply.read().decode().splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", events[-1:]
    return [json.loads(event) for event in events[:-1]]


# The parts: each is one visit of one kind of client.


def streams(load, rng):
    tokens = rng.choice([1, 5, 20, 60, 150])
    body = {"messages": [{"role": "user", "content": words(rng, rng.choice([1, 10, 60, 150]))}], "max_tokens": tokens,
            "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}, "temperature": rng.choice([0, 1])}
    connection = load.open()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
    reply = connection.getresponse()
    if reply.status == 429:
        load.refused(reply)
        load.stop.wait(0.05)
    else:
        assert reply.status == 200, reply.read()
        events = events_of(reply)
        assert events[-1]["usage"]["completion_tokens"] == tokens
        assert [c["finish_reason"] for e in events for c in e["choices"] if c["finish_reason"]] == ["length"]
        load.count("streams whole")
    connection.close()


def whole(load, rng):
    connection = load.open()
    for _ in range(rng.randint(1, 4)):
        prompts, n, tokens = rng.randint(1, 2), rng.randint(1, 2), rng.choice([1, 10, 40])
        body = {"prompt": [words(rng, rng.randint(1, 60)) for _ in range(prompts)], "n": n, "max_tokens": tokens,
                "ignore_eos": True, "logprobs": 3}
        status, reply = load.ask(connection, "/v1/completions", body)
        if status is None:
            break
        assert status == 200, reply
        assert reply["usage"]["completion_tokens"] == prompts * n * tokens
        assert [len(choice["logprobs"]["tokens"]) for choice in reply["choices"]] == [tokens] * (prompts * n)
        load.count("answers whole")
    connection.close()


def same_text(load, rng):
    prompt = rng.choice(list(load.expected))
    connection = load.open()
    status, reply = load.ask(connection, "/v1/completions", greedy(prompt))
    connection.close()
    if status is None:
        return
    assert status == 200, reply
    assert reply["choices"][0]["text"] == load.expected[prompt], "another text than on the idle server"
    load.count("answers equal to the idle server's")


def leaves(load, rng):
    body = {"messages": [{"role": "user", "content": words(rng, rng.choice([1, 150]))}], "max_tokens": 200,
            "ignore_eos": True, "stream": rng.random() < 0.7, "n": rng.randint(1, 2)}
    with connect(load.url, raw_request(body)) as connection:
        connection.settimeout(rng.random() * 0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(rng.randint(0, 5)):
                connection.recv(rng.choice([1, 4096]))
        if rng.random() < 0.5:  # closing sends a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    load.count("left early")


KILLED = """
import socket, sys
sockets = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(3)]
for each in sockets: each.sendall(sys.argv[3].encode())
sockets[0].recv(1)
print(".", flush=True)
while True: sockets[0].recv(4096) or sys.exit()
"""


def is_killed(load, rng):
    body = {"prompt": words(rng, 20), "max_tokens": 300, "ignore_eos": True, "stream": True}
    command = [sys.executable, "-S", "-c", KILLED, load.host, str(load.port), raw_request(body, "/v1/completions").decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout.read(1) == b"."
        load.stop.wait(rng.random() * 0.5)
        client.kill()
    load.count("clients killed")
    load.stop.wait(0.5)


BAD = {
    "no json": (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{x}", 400),
    "no messages": (raw_request({"messages": []}, headers=["Connection: close"]), 400),
    "bad temperature": (raw_request({"prompt": "x", "temperature": -1}, "/v1/completions", ["Connection: close"]), 400),
    "token id too large": (raw_request({"prompt": [10**6]}, "/v1/completions", ["Connection: close"]), 400),
    "too long": (raw_request({"prompt": "stone " * 2000}, "/v1/completions", ["Connection: close"]), 400),
    "other model": (raw_request({"prompt": "x", "model": "no"}, "/v1/completions", ["Connection: close"]), 404),
    "no path": (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "no http": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "header too long": (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "body too large": (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
}


def asks_badly(load, rng):
    name = rng.choice(list(BAD))
    request, status = BAD[name]
    with connect(load.url, request) as connection:
        first = connection.recv(12)
        while connection.recv(65536):
            pass
    assert first == b"HTTP/1.1 %d" % status, (name, first)
    load.count("bad requests refused")
    load.stop.wait(0.02)


def crowds(load, rng):
    body = raw_request({"prompt": words(rng, 5), "max_tokens": 20, "ignore_eos": True}, "/v1/completions", ["Connection: close"])
    crowd = [connect(load.url, body) for _ in range(40)]
    for connection in crowd:
        with connection, connection.makefile("rb") as file:
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            data = json.loads(reply.read())
            if reply.status == 429:
                load.refused(reply)
            else:
                assert reply.status == 200, data
                assert data["usage"]["completion_tokens"] == 20
                load.count("answers of crowds whole")
    load.stop.wait(2)


def watches(load, rng):
    connection = load.open()
    connection.request("GET", "/live")
    reply = connection.getresponse()
    assert reply.status == 200
    for _ in range(rng.randint(1, 12)):
        line = reply.readline()
        if line.startswith(b"data: "):
            pulse = json.loads(line[6:])
            assert 0 <= pulse["kv_blocks_used"] <= pulse["kv_blocks_total"]
            assert pulse["running"] <= 8
            load.count("live events")
    connection.close()


def scrapes(load, rng):
    connection = load.open()
    for path in ("/health", "/metrics", "/", "/v1/models", "/version", "http://any.example/health"):
        begin = time.monotonic()
        connection.request("GET", path)
        reply = connection.getresponse()
        assert reply.status == 200 and (reply.read() or path.endswith("/health"))
        if path == "/health":
            load.slowest_health = max(load.slowest_health, time.monotonic() - begin)
        load.count("pages and metrics")
    connection.close()
    load.stop.wait(0.1)


def tokenizes(load, rng):
    text = words(rng, rng.choice([3, 300, 100_000]))
    connection = load.open()
    status, reply = load.ask(connection, "/tokenize", {"prompt": text, "add_special_tokens": False})
    assert status == 200 and reply["count"] == len(reply["tokens"])
    status, reply = load.ask(connection, "/detokenize", {"tokens": reply["tokens"]})
    assert status == 200 and reply["prompt"] == text
    connection.close()
    load.count("texts there and back")
    load.stop.wait(0.1)


def stops_reading(load, rng):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect((load.host, load.port))
    body = {"messages": [{"role": "user", "content": words(rng, 5)}], "max_tokens": 100, "ignore_eos": True, "stream": True,
            "logprobs": True, "top_logprobs": 20, "n": 2}
    connection.sendall(raw_request(body))
    load.stop.wait(4)
    connection.close()
    load.count("readers that read nothing")


PARTS = [streams, streams, streams, whole, whole, same_text, leaves, leaves, is_killed, asks_badly, crowds, watches, scrapes,
         tokenizes, stops_reading]


def greedy(prompt):
    return {"prompt": prompt, "max_tokens": 24, "temperature": 0, "ignore_eos": True}


class Process:
    """What a process holds, as Linux tells."""

    def __init__(self, pid):
        self.folder = pathlib.Path("/proc") / str(pid)

    def files(self):
        return len(list((self.folder / "fd").iterdir()))

    def megabytes(self):
        """Of its own memory: the model's file and other mapped files do not count."""
        fields = dict(line.split(":", 1) for line in (self.folder / "status").read_text().splitlines())
        return int(fields["RssAnon"].split()[0]) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_mixed_load_leaves_nothing_behind(capsys):
    with own_server(*FLAGS, **LIMITS) as (url, process):
        expected = {}
        for prompt in ("Once upon a time", "The stone is", "1 2 3 4"):
            expected[prompt] = post_json(url, "/v1/completions", greedy(prompt))["choices"][0]["text"]
        server = Process(process.pid)
        files = server.files()  # one may be the connection that just closed
        wait_until(lambda: server.files() < files or time.sleep(0.3) is None, 5, "it rests")
        files = server.files()

        load = Load(url, expected)
        load.run(max(3, SECONDS / 10), PARTS)
        wait_idle(url, 30 * PATIENCE)
        warm = server.megabytes()
        load.counts.clear()
        begin = time.monotonic()
        load.run(SECONDS, PARTS)
        seconds = time.monotonic() - begin

        wait_idle(url, 30 * PATIENCE)
        wait_until(lambda: server.files() <= files, 10 * PATIENCE, "all connections are closed")
        grown = server.megabytes() - warm
        counts = {name: load.counts[name] for name in sorted(load.counts)}
        preemptions = metrics(url)["vllm:num_preemptions_total"]
        with capsys.disabled():
            print(f"\nload of {seconds:.0f} s: {counts}, {preemptions:.0f} preemptions, {warm:.0f} MB {grown:+.1f}, "
                  f"slowest /health {load.slowest_health:.2f} s")
        assert grown < RSS_MB
        assert preemptions > 0 and counts["429"] > 0, "the load was too light to test anything"
        assert load.slowest_health < 5 * PATIENCE
        assert process.poll() is None
        sigterm_under_load(url, process)


def sigterm_under_load(url, process):
    """What runs or waits is answered whole, what comes anew is refused, and the process ends by itself."""
    count, tokens = 12, 60  # 8 run at once, the others wait
    body = {"prompt": "The stone", "max_tokens": tokens, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}}
    connections = [connect(url, raw_request(body, "/v1/completions")) for _ in range(count)]
    live = connect(url, b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
    idle = connect(url, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    for connection in connections:
        assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"  # it is in the engine's hands
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    try:
        with connect(url, raw_request(body, "/v1/completions")) as late:
            assert late.recv(12) in (b"HTTP/1.1 503", b"")
    except OSError:
        pass  # it listens no more
    for connection in connections:
        with connection:
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            assert reply.status == 200
            assert events_of(reply)[-1]["usage"]["completion_tokens"] == tokens
    for connection in (live, idle):
        with connection:
            while connection.recv(65536):
                pass
    assert process.wait(40 * PATIENCE) == 0

