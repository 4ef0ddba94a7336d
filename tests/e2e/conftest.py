"""One `cairn serve` for the whole run, unless CAIRN_URL names a server that is there already.

CAIRN_BINARY and CAIRN_MODEL say what to start. The server's own output goes to the file in CAIRN_SERVER_LOG or a temporary one.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

_server = None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_healthy(url, process, log_path, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url + "/health", timeout=2) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    with open(log_path) as log:
        raise pytest.UsageError(f"cairn serve did not become healthy:\n{log.read()[-4000:]}")


def pytest_configure(config):
    global _server
    if os.environ.get("CAIRN_URL") or not os.environ.get("CAIRN_BINARY") or not os.environ.get("CAIRN_MODEL"):
        return
    port = free_port()
    log_path = os.environ.get("CAIRN_SERVER_LOG") or tempfile.mkstemp(prefix="cairn-serve-", suffix=".log")[1]
    command = [os.environ["CAIRN_BINARY"], "serve", os.environ["CAIRN_MODEL"], "--host", "127.0.0.1", "--port", str(port),
               "--max-model-len", "4096", "--kv-cache-memory-bytes", "1G"]
    with open(log_path, "w") as log:
        _server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    wait_healthy(url, _server, log_path)
    os.environ["CAIRN_URL"] = url
    os.environ["CAIRN_SERVER_PID"] = str(_server.pid)


def pytest_unconfigure(config):
    if _server is None:
        return
    _server.send_signal(signal.SIGTERM)
    try:
        _server.wait(30)
    except subprocess.TimeoutExpired:
        _server.kill()


@pytest.fixture(scope="session")
def cairn_url():
    url = os.environ.get("CAIRN_URL")
    if not url:
        pytest.skip("no server: set CAIRN_URL, or CAIRN_BINARY and CAIRN_MODEL")
    return url.rstrip("/")
