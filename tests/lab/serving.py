"""What the tests of the served lab ask of it."""

import contextlib
import http.client
import json
import os
import threading
import time
from pathlib import Path

from layerscope.lab.autoencoders import kept
from layerscope.lab.serving.app import Lab
from layerscope.lab.serving.running import Server, configured, listening

TOKEN = "a-token-of-this-launch"
NETWORK = "28x28x1 | flatten | dense 12 relu | dense 784 sigmoid | reshape 28x28x1"
DIGIT = kept()["digits"][4]
PATIENCE = 120
"""Seconds after which something that must come has not come."""


class Client:
    """Requests as somebody sends them, any header at will."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=(), host=None):
        """Status, headers, and the body as it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"127.0.0.1:{self.port}" if host is None else host, **dict(headers)}
            if body is not None:
                given.setdefault("Content-Length", str(len(body)))
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def get(self, path, **more):
        status, _, body = self.ask("GET", path, **more)
        return status, json.loads(body)

    def post(self, path, body, token=TOKEN, **headers):
        sent = json.dumps(body).encode()
        given = {"X-Layerscope-Token": token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, _, answer = self.ask("POST", path, sent, given)
        return status, json.loads(answer)

    def watch(self, token=TOKEN, last=None):
        """Events of the training until the stream ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            headers = {} if last is None else {"Last-Event-ID": str(last)}
            connection.request("GET", f"/api/train/events?token={token}", headers=headers)
            answer = connection.getresponse()
            assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


@contextlib.contextmanager
def serving(own=None):
    """A server in a thread of this process."""
    with listening(0) as listener:
        lab = Lab(TOKEN, listener.getsockname()[1], own)
        ready = threading.Event()
        server = Server(configured(lab), ready.set)
        lab.ending = lambda: server.should_exit
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert ready.wait(PATIENCE)
        try:
            yield lab, Client(lab.port)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def until(done):
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < ends, "it did not come to be so"
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        not Path(f"/proc/{pid}/stat").exists()
        or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    )
