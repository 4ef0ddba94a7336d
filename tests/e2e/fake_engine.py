#!/usr/bin/env python3
"""A stand-in for the server, for work on the page and its tests: canned answers, made-up engine events.

usage: fake_engine.py [--port 8010] [--api-key KEY]

Special messages: "markdown" answers in Markdown, "hostile" with HTML, "long" without end, "fail" with an error,
"break" ends the stream early. Anything else is answered by an echo.
"""

import argparse
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = pathlib.Path(__file__).resolve().parents[2]

MARKDOWN = """## Three stones

A cairn marks a **path** where there is *none*. Call `stack(3)`:

```python
def stack(n):
    # <b>not markup</b>
    return ["stone"] * n
```

1. the broad one
2. the middle one
3. the small one

- and a list
- of two

> Leave it standing."""
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> **<b>x</b>**"


class Engine:
    """Counters that the handlers change and /live reports."""

    def __init__(self):
        self.started = time.monotonic()
        self.running = 0
        self.tokens = 0
        self.requests = []
        self.random = random.Random(7)

    def event(self):
        t = (time.monotonic() - self.started) * 1000
        load = 0.5 + 0.5 * math.sin(t / 9000)
        decode = self.running + int(6 * load)
        steps = [
            {
                "t": t - 50 * (4 - i),
                "ms": 18 + 30 * self.random.random(),
                "prefill": self.random.choice((0, 0, 0, int(120 * self.random.random()))),
                "decode": decode,
                "seqs": decode,
            }
            for i in range(5)
        ]
        used = int(1024 * (0.15 + 0.5 * load)) + 4 * self.running
        return {
            "t": t,
            "running": decode,
            "waiting": int(3 * load * load),
            "kv_blocks_total": 2048,
            "kv_blocks_used": used,
            "kv_blocks_shared": used // 4,
            "prefix_cache_queries": int(t),
            "prefix_cache_hits": int(t * 0.4),
            "prompt_tokens_per_s": sum(step["prefill"] for step in steps) * 4,
            "generation_tokens_per_s": decode * 19.5,
            "preemptions": int(t / 20000),
            "steps": steps,
        }


def words(message):
    if message == "long":
        return (f"word{i} " for i in range(100_000))
    text = {"markdown": MARKDOWN, "hostile": HOSTILE}.get(message, f"You said: {message}")
    return (text[i : i + 4] for i in range(0, len(text), 4))


class Handler(BaseHTTPRequestHandler):
    engine = Engine()
    api_key = None
    page = b""

    def log_message(self, *_):
        pass

    def reply(self, status, body, content_type="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, message):
        self.reply(status, {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}})

    def authorized(self):
        if not self.api_key or self.headers.get("Authorization") == f"Bearer {self.api_key}":
            return True
        self.error(401, "Invalid API key")
        return False

    def begin_events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def send_event(self, data):
        self.wfile.write(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def do_GET(self):
        if self.path == "/":
            self.reply(200, self.page, "text/html; charset=utf-8")
        elif not self.authorized():
            pass
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": "fake-135m", "object": "model", "max_model_len": 8192}]})
        elif self.path == "/live":
            self.begin_events()
            try:
                while True:
                    self.send_event(self.engine.event())
                    time.sleep(0.25)
            except OSError:
                pass
        else:
            self.error(404, "Not found")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.authorized():
            return
        self.engine.requests.append(body)
        message = body["messages"][-1]["content"]
        if message == "fail":
            self.error(400, "temperature must be non-negative, got -1.0.")
            return
        self.engine.running += 1
        try:
            self.answer(message, body)
        except OSError:
            pass
        finally:
            self.engine.running -= 1

    def answer(self, message, body):
        self.begin_events()
        time.sleep(0.1)
        count = 0
        limit = body.get("max_tokens", 1_000_000)
        for word in words(message):
            if count == limit:
                break
            count += 1
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            self.send_event({"choices": [choice]})
            time.sleep(0.015)
            if message == "break" and count == 2:
                return
        finish = "length" if count == limit else "stop"
        self.send_event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
        self.send_event({"choices": [], "usage": usage})
        self.send_event("[DONE]")


def start(port=0, api_key=None):
    """Serves on a thread; returns the server, whose `engine` tells what it was asked."""
    with tempfile.TemporaryDirectory() as folder:
        html = pathlib.Path(folder) / "page.html"
        subprocess.run([sys.executable, ROOT / "tools/bundle_page.py", "--html", html], check=True)
        page = html.read_bytes()
    handler = type("BoundHandler", (Handler,), {"engine": Engine(), "api_key": api_key, "page": page})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    server.engine = handler.engine
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--api-key")
    options = parser.parse_args()
    start(options.port, options.api_key)
    print(f"http://127.0.0.1:{options.port}/")
    threading.Event().wait()
