"""What clients do to a server beside asking nicely: leaving, stalling, crowding, being killed."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from server_tools import (address, connect, is_idle, long_chat, metrics, own_server, post_json, raw_request, wait_idle,
                          wait_running, wait_until)

SHORT = {"messages": [{"role": "user", "content": "Say a word."}], "max_tokens": 8, "temperature": 0}


@pytest.fixture(autouse=True)
def ends_idle(cairn_url):
    wait_idle(cairn_url)
    yield
    wait_idle(cairn_url)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_disconnect_frees_the_blocks(cairn_url, stream):
    connection = connect(cairn_url, raw_request(long_chat(stream=stream)))
    wait_running(cairn_url)
    assert metrics(cairn_url)["vllm:kv_cache_usage_perc"] > 0
    connection.close()
    wait_idle(cairn_url, 5)


def test_disconnect_while_queued(cairn_url):
    crowd = [connect(cairn_url, raw_request(long_chat(stream=True))) for _ in range(200)]
    wait_until(lambda: metrics(cairn_url)["vllm:num_requests_waiting"] > 0, 20, "requests wait")
    for connection in reversed(crowd):
        connection.close()
    wait_idle(cairn_url, 20)


def test_disconnect_during_prefill(cairn_url):
    body = long_chat(messages=[{"role": "user", "content": "stone " * 3500}], stream=False, max_tokens=50)
    connection = connect(cairn_url, raw_request(body))
    time.sleep(0.1)
    connection.close()
    wait_idle(cairn_url, 15)


def test_64_streams_at_once_all_come_whole(cairn_url):
    def ask(number):
        body = {**SHORT, "stream": True, "ignore_eos": True, "max_tokens": 12}
        body["messages"] = [{"role": "user", "content": f"Tell me about the number {number}."}]
        request = urllib.request.Request(cairn_url + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            events = [line[6:] for line in reply.read().decode().splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        return [choice["finish_reason"] for event in events[:-1] for choice in json.loads(event)["choices"]][-1]

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert list(pool.map(ask, range(64))) == ["length"] * 64


def test_1000_connects_and_disconnects(cairn_url):
    for number in range(1000):
        connection = socket.create_connection(address(cairn_url), timeout=10)
        if number % 3 == 1:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
        elif number % 3 == 2:
            connection.sendall(raw_request(long_chat(stream=number % 2 == 0)))
        connection.close()
    wait_idle(cairn_url, 30)
    assert post_json(cairn_url, "/v1/chat/completions", SHORT)["choices"][0]["message"]["content"]


def test_killed_client_process_frees_the_blocks(cairn_url):
    script = (
        "import sys, urllib.request\n"
        "request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {'Content-Type': 'application/json'})\n"
        "for line in urllib.request.urlopen(request): print('.', flush=True)\n"
    )
    command = [sys.executable, "-c", script, cairn_url + "/v1/chat/completions", json.dumps(long_chat(stream=True))]
    client = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b".\n"
    wait_running(cairn_url)
    client.send_signal(signal.SIGKILL)
    client.wait()
    wait_idle(cairn_url, 5)


def read_to_end(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def test_pipelined_requests_are_answered_in_order(cairn_url):
    numbers = [3, 1, 2]
    requests = b"".join(raw_request({**SHORT, "max_tokens": n, "ignore_eos": True}) for n in numbers)
    last = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(cairn_url, requests + last) as connection:
        data = read_to_end(connection)
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in data.split(b"HTTP/1.1 ")[1:]]
    assert [json.loads(body)["usage"]["completion_tokens"] for body in bodies[:3]] == numbers
    assert "version" in json.loads(bodies[3])


def test_http_1_0_stream_ends_with_the_connection(cairn_url):
    request = raw_request({**SHORT, "stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with connect(cairn_url, request) as connection:
        data = read_to_end(connection)
    head, body = data.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head.lower()
    assert body.endswith(b"data: [DONE]\n\n")


def test_chunked_and_expected_bodies_are_read(cairn_url):
    body = json.dumps(SHORT).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:])) + b"0\r\n\r\n"
    with connect(cairn_url, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks) as connection:
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")
    with connect(cairn_url, head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


MALFORMED = {
    "no http": (b"hello\r\n\r\n", 400),
    "bad version": (b"GET / HTTP/9.9\r\n\r\n", 400),
    "huge header": (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    "body too large": (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "two lengths": (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "no json": (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{x}", 400),
    "deep json": (b"POST /tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n" + b"[" * 20000, 400),
    "unknown path": (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "wrong method": (b"DELETE /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_gets_its_status(cairn_url, name):
    request, status = MALFORMED[name]
    with connect(cairn_url, request) as connection:
        reply = read_to_end(connection)
    head, body = reply.split(b"\r\n\r\n", 1)
    assert int(head.split()[1]) == status
    error = json.loads(body)["error"]
    assert error["code"] == status
    assert error["message"]


def test_head_and_preflight(cairn_url):
    head = urllib.request.Request(cairn_url + "/version", method="HEAD")
    with urllib.request.urlopen(head, timeout=10) as reply:
        assert int(reply.headers["Content-Length"]) > 0
        assert reply.read() == b""
    preflight = urllib.request.Request(cairn_url + "/v1/chat/completions", method="OPTIONS")
    for name, value in {"Origin": "http://page.test", "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers": "authorization,content-type"}.items():
        preflight.add_header(name, value)
    with urllib.request.urlopen(preflight, timeout=10) as reply:
        assert reply.status in (200, 204)
        assert reply.headers["Access-Control-Allow-Origin"] in ("*", "http://page.test")
        assert "POST" in reply.headers["Access-Control-Allow-Methods"]
        assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower()


def test_live_view_shows_the_engine_at_work(cairn_url):
    with connect(cairn_url, b"GET /live HTTP/1.0\r\n\r\n") as live, \
            connect(cairn_url, raw_request(long_chat(stream=True, max_tokens=60))):
        data, deadline = b"", time.monotonic() + 20
        busy = None
        while busy is None and time.monotonic() < deadline:
            data += live.recv(65536)
            events = [json.loads(line[6:]) for line in data.split(b"\n\n")[:-1] if line.startswith(b"data: ")]
            busy = next((event for event in events if event["generation_tokens_per_s"] > 0 and event["steps"]), None)
    assert busy is not None
    assert busy["kv_blocks_used"] <= busy["kv_blocks_total"]
    assert any(step["decode"] > 0 for step in busy["steps"])


def test_metrics_count_a_request(cairn_url):
    before = metrics(cairn_url)
    usage = post_json(cairn_url, "/v1/chat/completions", {**SHORT, "ignore_eos": True})["usage"]
    wait_until(lambda: metrics(cairn_url)["vllm:request_success_total"] == before["vllm:request_success_total"] + 1, 5,
               "the request is counted")
    after = metrics(cairn_url)
    assert after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"] == usage["completion_tokens"]
    for histogram in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds"):
        assert after[f"vllm:{histogram}_count"] == before[f"vllm:{histogram}_count"] + 1


def test_prefix_cache_can_be_reset(cairn_url):
    body = {**SHORT, "messages": [{"role": "user", "content": "a cairn of stones " * 30}], "max_tokens": 1}

    def cached():
        return post_json(cairn_url, "/v1/chat/completions", body)["usage"]["prompt_tokens_details"]["cached_tokens"]

    cached()
    assert cached() > 0
    urllib.request.urlopen(urllib.request.Request(cairn_url + "/reset_prefix_cache", b""), timeout=10).close()
    assert cached() == 0


def status_of(url, body):
    try:
        post_json(url, "/v1/chat/completions", body)
        return 200, {}
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def test_full_queue_answers_429_and_recovers():
    with own_server("--max-waiting", "3", "--max-num-seqs", "1") as (url, _):
        crowd = [connect(url, raw_request(long_chat(stream=True))) for _ in range(12)]
        wait_until(lambda: metrics(url)["vllm:num_requests_waiting"] >= 3, 20, "the queue is full")
        code, headers = status_of(url, SHORT)
        assert code == 429
        assert int(headers["Retry-After"]) >= 1
        for connection in crowd:
            connection.close()
        wait_idle(url)
        assert status_of(url, SHORT)[0] == 200


def test_sigterm_drains_and_refuses_what_is_new():
    with own_server() as (url, process):
        with connect(url, raw_request(long_chat(stream=True, max_tokens=150))) as running:
            assert running.recv(100).startswith(b"HTTP/1.1 200")
            wait_running(url)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert status_of(url, SHORT)[0] == 503
            assert read_to_end(running).rstrip(b"0\r\n").endswith(b"data: [DONE]")
        assert process.wait(30) == 0


def test_health_tells_that_the_model_is_loading():
    # The server listens before the model is there: the first answers are 503 or, on a fast machine, 200 at once.
    binary, model = os.environ.get("CAIRN_BINARY"), os.environ.get("CAIRN_MODEL")
    if not binary or not model:
        pytest.skip("needs a server of its own: set CAIRN_BINARY and CAIRN_MODEL")
    from conftest import free_port

    port = free_port()
    process = subprocess.Popen([binary, "serve", model, "--port", str(port), "--kv-cache-memory-bytes", "256M"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = []
    try:
        deadline = time.monotonic() + 60
        while 200 not in seen and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
                    seen.append(reply.status)
            except urllib.error.HTTPError as error:
                seen.append(error.code)
                assert json.load(error)["error"]["message"]
            except OSError:
                time.sleep(0.01)
    finally:
        process.terminate()
        process.wait(40)
    assert seen[-1] == 200
    assert set(seen) <= {200, 503}


def test_reader_that_stops_reading_holds_nobody_up(cairn_url):
    # Four choices of 20 alternatives a token: some MB, far more than the sockets hold.
    request = raw_request(long_chat(stream=True, logprobs=True, top_logprobs=20, n=4, temperature=1))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect(address(cairn_url))
        slow.sendall(request)
        wait_running(cairn_url)
        for _ in range(10):
            begin = time.monotonic()
            assert post_json(cairn_url, "/v1/chat/completions", SHORT)["choices"]
            assert time.monotonic() - begin < 20
    wait_until(lambda: is_idle(cairn_url), 10, "the slow reader's request is gone")


def test_absolute_target_means_its_path(cairn_url):
    with connect(cairn_url, b"GET http://any.example/health HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n") as connection:
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")
