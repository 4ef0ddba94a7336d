"""For the end-to-end tests: metrics, servers with settings of their own, and requests below the level of a client library."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest
from conftest import free_port, wait_healthy


def address(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def metrics(url):
    """The sum of each metric's series, by name."""
    with urllib.request.urlopen(url + "/metrics", timeout=10) as reply:
        text = reply.read().decode()
    sums = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            sums[name] = sums.get(name, 0.0) + float(line.rsplit(" ", 1)[1])
    return sums


def post_json(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_idle(url):
    now = metrics(url)
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
    return all(now[name] == 0 for name in names)


def wait_idle(url, seconds=10):
    """Nothing runs or waits, and every KV block is free."""
    wait_until(lambda: is_idle(url), seconds, "the engine is idle with all blocks free")


def wait_running(url, seconds=20):
    wait_until(lambda: metrics(url)["vllm:num_requests_running"] >= 1, seconds, "a request runs")


def raw_request(body, path="/v1/chat/completions", headers=()):
    """A POST as bytes for a socket."""
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def long_chat(**more):
    """A request whose answer goes on for long."""
    message = {"role": "user", "content": "Count upwards without end."}
    return {"messages": [message], "max_tokens": 2000, "ignore_eos": True, "temperature": 0, **more}


def connect(url, request):
    connection = socket.create_connection(address(url), timeout=60)
    connection.sendall(request)
    return connection


@contextlib.contextmanager
def own_server(*flags, max_model_len=4096, kv_cache="256M"):
    """A `cairn serve` of the test's own; needs CAIRN_BINARY and CAIRN_MODEL. Gives (url, process)."""
    binary, model = os.environ.get("CAIRN_BINARY"), os.environ.get("CAIRN_MODEL")
    if not binary or not model:
        pytest.skip("needs a server with settings of its own: set CAIRN_BINARY and CAIRN_MODEL")
    port = free_port()
    command = [binary, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(max_model_len)]
    command += ["--kv-cache-memory-bytes", kv_cache, *flags]
    log_path = tempfile.mkstemp(prefix="cairn-serve-", suffix=".log")[1]
    with open(log_path, "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_healthy(url, process, log_path)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        show_sanitizer_reports(log_path)


def show_sanitizer_reports(log_path):
    """A sanitizer's report fails the test that started the server, whatever the exit status."""
    with open(log_path, errors="replace") as log:
        text = log.read()
    for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error: "):
        assert mark not in text, f"{log_path}:\n{text[text.index(mark):][:8000]}"
