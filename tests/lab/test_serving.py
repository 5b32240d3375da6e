"""The served lab: what is answered and what is not, a training that is watched and stopped, an end that leaves nothing."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from layerscope import cli, studies, tracing
from layerscope.lab import drawing
from layerscope.lab.autoencoders import kept
from layerscope.lab.page import served
from layerscope.lab.scenes import journey, scene
from layerscope.lab.serving.app import Lab
from layerscope.lab.serving.live import asked, command
from layerscope.lab.serving.own import Own
from layerscope.lab.serving.running import Server, configured, listening
from layerscope.lab.state import described
from layerscope.models import load_model

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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        studies.train(NETWORK, "digits", epochs=1, batch_size=256, optimizer="adam", out=place, verbose=0)
    return place


@pytest.fixture(scope="module")
def client(run):
    with serving(Own(str(run))) as (_, client):
        yield client


@pytest.fixture
def fresh():
    with serving() as (lab, client):
        yield lab, client


def until(done):
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < ends, "it did not come to be so"
        time.sleep(0.02)


# --- who is answered ---


def test_the_page_is_served_with_its_token_and_a_strict_policy(client):
    status, headers, body = client.ask("GET", "/")
    assert status == 200
    assert f'<meta name="layerscope-token" content="{TOKEN}">'.encode() in body
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    for name, kind in {"lab.js": "text/javascript; charset=utf-8", "lab.css": "text/css; charset=utf-8"}.items():
        status, headers, body = client.ask("GET", f"/{name}")
        assert (status, headers["content-type"]) == (200, kind)
        assert body == served(name).read_bytes()
        assert TOKEN.encode() not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "127.0.0.1:{port}.evil.example",
             "[::1]:{port}", "127.0.0.2:{port}", "0.0.0.0:{port}", "LOCALHOST.:{port}", ""],
)  # fmt: skip
def test_other_hosts_are_not_answered(client, host):
    status, headers, body = client.ask("GET", "/", host=host.format(port=client.port))
    assert status == 403
    assert json.loads(body) == {
        "error": f"this server answers to 127.0.0.1:{client.port} and localhost:{client.port} alone"
    }
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_localhost_is_answered(client):
    assert client.ask("GET", "/", host=f"localhost:{client.port}")[0] == 200


def test_two_hosts_are_none(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE) as wire:
        wire.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nHost: evil\r\n\r\n".encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/api/train", "/api/train/stop", "/api/reconstruct", "/api/nothing"])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN.upper()])
def test_without_the_token_nothing_is_done(client, path, token):
    headers = {} if token is None else {"X-Layerscope-Token": token}
    status, _, body = client.ask("POST", path, b"{}", headers)
    assert status == 403
    assert json.loads(body)["error"].startswith("the token of this launch is missing or wrong")


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?tokens={TOKEN}", f"?x={TOKEN}"])
def test_nobody_watches_without_the_token(client, query):
    assert client.get(f"/api/train/events{query}")[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1"])
def test_other_sites_do_nothing_even_with_the_token(client, origin):
    status, answer = client.post("/api/train/stop", {}, Origin=origin.format(port=client.port))
    assert (status, answer) == (403, {"error": "requests of other sites are not answered"})


def test_the_own_site_does_something(client):
    origin = f"http://localhost:{client.port}"
    assert client.post("/api/train/stop", {}, Origin=origin) == (200, {"stopped": False})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_need_the_token_too(client, method):
    assert client.ask(method, "/api/train", b"")[0] == 403


@pytest.mark.parametrize(
    "path",
    ["/../state.py", "/../../../../../../etc/passwd", "/%2e%2e/state.py", "/..%2fstate.py", "//etc/passwd", "/lab.js/../../x",
     "/./lab.js", "/__init__.py", "/offline.html", "/index.html", "/lab.js%00", "/lab.js/", "/api/../lab.js", "/LAB.JS",
     "/C:/x", "/..\\state.py", "/page/lab.js"],
)  # fmt: skip
def test_no_path_leads_elsewhere(client, path):
    status, answer = client.get(path)
    assert (status, answer) == (404, {"error": "there is nothing here"})


def test_a_body_has_a_limit(client):
    headers = {"X-Layerscope-Token": TOKEN}
    status, _, body = client.ask("POST", "/api/train", b"x" * 65_537, headers)
    assert (status, json.loads(body)) == (413, {"error": "a body has at most 65,536 bytes"})
    status, _, _ = client.ask("POST", "/api/train", b"", {**headers, "Content-Length": "9" * 15})
    assert status == 413
    chunks = b"".join(b"1000\r\n" + b"x" * 4096 + b"\r\n" for _ in range(17)) + b"0\r\n\r\n"
    sent = {**headers, "Transfer-Encoding": "chunked", "Content-Length": None}
    assert client.ask("POST", "/api/train", chunks, sent)[0] == 413
    assert client.ask("POST", "/api/reconstruct", b"x" * 65_536, headers)[0] == 400


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"{", "no JSON"), (b"\xff", "no JSON"), (b"[]", "no JSON object"), (b"3", "no JSON object"), (b"[" * 60_000, "no JSON")],
)  # fmt: skip
def test_what_is_no_object_is_refused(client, body, why):
    status, _, answer = client.ask("POST", "/api/train", body, {"X-Layerscope-Token": TOKEN})
    assert (status, json.loads(answer)) == (400, {"error": f"the body of the request is {why}"})


# --- scenes, and the user's own ---


@pytest.mark.parametrize("screen", described()["screens"])
def test_scenes_are_pythons(client, screen):
    status, answer = client.get(f"/api/scene?hash=%23lab%3D{screen}")
    assert status == 200
    assert answer == json.loads(json.dumps(scene(f"#lab={screen}").to_json()))


@pytest.mark.parametrize(
    "hash", ["", "%23", "%23lab%3Dnothing", "lab%3D__proto__", "%23lab%3Dpool%26x%3D" + "a" * 4100, "%00", "%23lab"]
)
def test_hostile_hashes_are_mistakes(client, hash):
    status, answer = client.get(f"/api/scene?hash={hash}")
    assert status == 400
    assert answer["error"]


def test_a_query_has_a_limit(client):
    assert client.get("/api/scene?hash=" + "a" * 17_000)[0] == 414


def test_the_own_network_is_a_journey(client, run):
    status, answer = client.get("/api/model")
    trace = tracing.trace(run / "network.json")
    assert status == 200
    assert answer["scene"] == json.loads(json.dumps(journey.of_trace(trace).to_json()))
    assert answer["trace"] == json.loads(json.dumps(trace.to_json()))
    assert (answer["name"], answer["run"], answer["layers"]) == ("small", True, 5)


def test_a_drawing_goes_through_the_own_run(client, run):
    status, answer = client.post("/api/reconstruct", {"drawn": DIGIT})
    image = np.array(drawing.read(DIGIT), np.float64).reshape(1, 28, 28, 1) / 15
    made = load_model(run / "model.npz").predict(image.astype(np.float32), verbose=0)
    assert status == 200
    assert answer["shape"] == [28, 28, 1]
    assert np.abs(np.array(answer["input"]) / 255 - image.ravel()).max() < 1e-6
    assert np.abs(np.array(answer["output"]) / 255 - made.ravel()).max() <= 0.5001 / 255
    assert abs(answer["mse"] - np.square(made - image).mean()) < 1e-6
    assert answer["weights"] == f"weights of {run}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "drawn is a drawing of 28 × 28 pixels in the letters of the link"),
        ({"drawn": 7}, "drawn is a drawing of 28 × 28 pixels in the letters of the link"),
        ({"drawn": "<script>"}, "drawn is a drawing of 28 × 28 pixels in the letters of the link"),
        ({"drawn": "A", "of": "other"}, "of is \"own\" or \"live\", not 'other'"),
        ({"drawn": "A", "of": "live"}, "nothing has been trained here yet"),
    ],
)
def test_what_is_no_drawing_is_a_mistake(client, body, why):
    assert client.post("/api/reconstruct", body) == (400, {"error": why})


def test_without_a_network_of_ones_own(fresh):
    _, client = fresh
    assert client.get("/api/model") == (404, {"error": "no network was given: layerscope lab MODEL"})
    assert client.post("/api/reconstruct", {"drawn": "A"}) == (400, {"error": "no run was given: layerscope lab RUN"})
    assert client.get("/api/lab")[1]["own"] is None


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("28x28x1 | flatten | dense 10",
         "the network makes (10,) of (28, 28, 1), so there is no image to look at; give an autoencoder, which ends with as "
         "many numbers as it starts with"),
        ("6 | dense 6", "(6,) is no image of 1 or 3 channels and at most 65,536 pixels"),
        ("4x4x2 | conv 2 3 same", "(4, 4, 2) is no image of 1 or 3 channels and at most 65,536 pixels"),
    ],
)  # fmt: skip
def test_networks_that_give_no_image_back(network, why):
    with serving(Own(network)) as (_, client):
        assert client.post("/api/reconstruct", {"drawn": "A"}) == (400, {"error": why})


def test_other_sizes_and_colours():
    """A drawing is brought to the network's size; a vector is a square."""
    for network, shape in {"8x8x3 | conv 3 3 same": [8, 8, 3], "64 | dense 64": [8, 8, 1], "5x7 | dense 7": [5, 7, 1]}.items():
        with serving(Own(network)) as (_, client):
            status, answer = client.post("/api/reconstruct", {"drawn": DIGIT})
            assert (status, answer["shape"]) == (200, shape)
            assert len(answer["input"]) == len(answer["output"]) == np.prod(shape)
            assert answer["weights"] == "random weights (seed 0)"


# --- training ---


def test_a_training_is_watched_by_two_and_stays_usable(fresh):
    lab, client = fresh
    wish = {"network": NETWORK, "data": "digits", "epochs": 3, "batch_size": 256, "seed": 4}
    status, told = client.post("/api/train", wish)
    assert status == 200
    assert told["running"]
    seen = [[], []]
    others = [threading.Thread(target=lambda place=place: place.extend(client.watch())) for place in seen]
    for other in others:
        other.start()
    assert client.post("/api/train", wish) == (409, {"error": "a training is running already; stop it first"})
    for other in others:
        other.join(PATIENCE)
    for events in seen:
        assert [event["event"] for event in events if event["event"] != "batch"] == [
            "started", "begin", "epoch", "epoch", "epoch", "end"
        ]  # fmt: skip
        assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    events = seen[0]
    assert events[0]["command"] == (
        f"layerscope train '{NETWORK}' --data digits --epochs 3 --batch-size 256 --optimizer adam --seed 4"
    )
    assert events[0]["settings"]["network"] == NETWORK
    begin = events[1]
    assert (begin["epochs"], begin["batches"], begin["rebuilds"]) == (3, 6, True)
    assert begin["shown"]["shape"] == [28, 28, 1]
    assert [len(image) for image in begin["shown"]["images"]] == [784] * 8
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [1, 2, 3]
    losses = [event["logs"]["val_loss"] for event in epochs]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    model = load_model(Path(lab.live._folder) / "model.npz")
    shown = np.array(begin["shown"]["images"], np.float32).reshape(8, 28, 28, 1) / 255
    made = model.predict(shown, verbose=0).reshape(8, -1)
    assert np.abs(np.array(epochs[-1]["made"]) / 255 - made).max() < 0.51 / 255 + 1e-3
    status, answer = client.post("/api/reconstruct", {"drawn": DIGIT, "of": "live"})
    assert status == 200
    assert len(answer["output"]) == 784
    late = list(client.watch())
    assert [event["event"] for event in late if event["event"] != "batch"] == [event["event"] for event in events if event["event"] != "batch"]
    assert [event["event"] for event in late if event.get("made")] == ["begin", "epoch"]
    assert [event["event"] for event in client.watch(last=late[-2]["id"])] == ["end"]


def test_a_training_is_stopped_at_once_and_another_can_start(fresh):
    lab, client = fresh
    client.post("/api/train", {"network": NETWORK, "data": "digits", "epochs": 1000, "batch_size": 16})
    watching = client.watch()
    next(event for event in watching if event["event"] == "epoch")
    process, folder = lab.live._process.pid, lab.live._folder
    assert client.post("/api/train/stop", {}) == (200, {"stopped": True})
    assert not alive(process)
    assert [event["event"] for event in watching][-1] == "stopped"
    assert client.post("/api/reconstruct", {"drawn": DIGIT, "of": "live"})[0] == 200
    assert client.post("/api/train/stop", {}) == (200, {"stopped": False})
    assert client.get("/api/lab")[1]["training"]["running"] is False
    assert client.post("/api/train", {"network": NETWORK, "epochs": 1})[0] == 200
    assert not folder.exists()
    assert client.post("/api/train/stop", {}) == (200, {"stopped": True})


def test_labels_are_learned_without_pictures(fresh):
    _, client = fresh
    client.post("/api/train", {"network": "28x28x1 | flatten | dense 10 softmax", "epochs": 1, "batch_size": 256})
    events = [event for event in client.watch() if event["event"] != "batch"]
    assert [event["event"] for event in events] == ["started", "begin", "epoch", "end"]
    assert (events[1]["rebuilds"], events[1]["made"], events[2]["made"]) == (False, None, None)
    assert set(events[2]["logs"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    status, answer = client.post("/api/reconstruct", {"drawn": DIGIT, "of": "live"})
    assert status == 400
    assert answer["error"].startswith("the network makes (10,) of (28, 28, 1)")


def test_a_network_that_does_not_fit_the_images_says_so(fresh):
    _, client = fresh
    assert client.post("/api/train", {"network": "32x32x3 | flatten | dense 3072 | reshape 32x32x3"})[0] == 200
    last = list(client.watch())[-1]
    assert last["event"] == "failed"
    assert last["why"].startswith("the network takes (32, 32, 3), but the images of digits are (28, 28, 1).")


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"epoch": 3}, "a training has no setting 'epoch'"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": 1001}, "epochs is at most 1,000 here, not 1,001"),
        ({"epochs": "3"}, "epochs must be a whole number"),
        ({"batch_size": 10**9}, "batch_size is at most 8,192 here, not 1,000,000,000"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"data": "/etc"}, "the page trains on digits, fashion_mnist, kmnist, mnist; for own images:"),
        ({"data": ["digits"]}, "the page trains on digits, fashion_mnist, kmnist, mnist; for own images:"),
        ({"network": "os:getcwd"}, "a network is one line of text, such as"),
        ({"network": "/etc/passwd"}, "a network is one line of text, such as"),
        ({"network": "model.npz"}, "a network is one line of text, such as"),
        ({"network": None}, "a network is one line of text, such as"),
        ({"network": "own"}, "no network was given to layerscope lab: layerscope lab MODEL"),
        ({"network": "28x28x1 | kconv 3"}, "unknown layer 'kconv'"),
        ({"network": "example:none"}, "unknown example 'none'"),
        ({"optimizer": 3}, "the optimizer is a name, not 3"),
        ({"learning_rate": "fast"}, "the learning rate is a number above 0, not 'fast'"),
        ({"learning_rate": -1}, "the learning rate is a number above 0, not -1"),
    ],
)
def test_wishes_that_cannot_be(fresh, wish, why):
    _, client = fresh
    status, answer = client.post("/api/train", wish)
    assert status == 400
    assert why in answer["error"]
    assert client.get("/api/lab")[1]["training"] == {"running": False, "settings": None, "model": False}


def test_the_command_that_keeps_it():
    wish = asked({"network": "4 | dense 4", "learning_rate": 0.5, "optimizer": "sgd"}, None)
    assert command(wish) == (
        "layerscope train '4 | dense 4' --data digits --epochs 10 --batch-size 128 --optimizer sgd --learning-rate 0.5 --seed 0"
    )


# --- the command, from its start to its end ---


@contextlib.contextmanager
def launched(*arguments, tmp):
    """The real command, in a process; what it printed so far."""
    environment = {**os.environ, "TMPDIR": str(tmp), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "layerscope.cli", "lab", "--no-browser", *arguments], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found = re.fullmatch(r"The lab is at http://127\.0\.0\.1:(\d+)/(.*)\n", line)
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        yield process, Client(int(found[1])), found[2]
    finally:
        process.kill()
        process.communicate()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def token_of(client):
    return re.search(rb'layerscope-token" content="([\w-]{32})"', client.ask("GET", "/")[2])[1].decode()


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(one) for one in done.stdout.split()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_everything(tmp_path, how):
    with launched(tmp=tmp_path) as (process, client, state):
        assert state == ""
        token = token_of(client)
        assert client.post("/api/train", {"network": NETWORK, "epochs": 1000}, token=token)[0] == 200
        watching = client.watch(token)
        next(event for event in watching if event["event"] == "begin")
        assert [path.name[:15] for path in tmp_path.iterdir()] == ["layerscope-lab-"]
        trainer = children(process.pid)
        assert len(trainer) == 1
        process.send_signal(how)
        output, errors = process.communicate(timeout=PATIENCE)
        list(watching)
    assert (process.returncode, output, errors) == (0, "The lab is closed.\n", "")
    assert not alive(trainer[0])
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as again:
        again.bind(("127.0.0.1", client.port))


def test_a_trainer_whose_server_was_killed_ends_by_itself(tmp_path):
    with launched(tmp=tmp_path) as (process, client, _):
        token = token_of(client)
        client.post("/api/train", {"network": NETWORK, "epochs": 1000, "batch_size": 16}, token=token)
        next(event for event in client.watch(token) if event["event"] == "epoch")
        (trainer,) = children(process.pid)
        process.kill()
        process.wait(PATIENCE)
    until(lambda: not alive(trainer))
    assert list(tmp_path.iterdir()) == []


def test_the_state_that_is_opened(tmp_path):
    with launched("#lab=pool&n=99", tmp=tmp_path) as (_, _, state):
        assert state == "#lab=pool&n=12"


def test_tokens_differ(tmp_path):
    with launched(tmp=tmp_path) as (_, one, _), launched(tmp=tmp_path) as (_, other, _):
        assert one.port != other.port
        assert token_of(one) != token_of(other)


def test_a_port_that_is_taken(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["lab", "--no-browser", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"layerscope lab: port {port} cannot be used (Address already in use); without --port a free one is taken\n"
    )


def test_what_cannot_be_opened(capsys, tmp_path, run):
    def said(*arguments):
        assert cli.main(["lab", "--no-browser", *arguments]) == 2
        return capsys.readouterr().err.removeprefix("layerscope lab: ")

    assert said("--port", "70000") == "ports go up to 65535; 70000 is none\n"
    assert said("#lab=nothing").startswith("unknown screen of the lab 'nothing'")
    assert said(str(tmp_path)) == f"{tmp_path} is no run folder; layerscope train makes one\n"
    assert said(str(run.parent)) == f"{run.parent} holds 1 runs; give one of them, such as {run}\n"
    assert said("28x28x1 | konv").startswith("unknown layer 'konv'")
    assert said("-o", "x.svg") == "-o belongs to export: layerscope lab export '#lab=convt&n=4' -o figure.svg\n"


def test_without_the_packages_the_page_is_opened_from_its_file(capsys, monkeypatch):
    monkeypatch.setattr("layerscope.cli.lab.NEEDED", ("starlette", "no_such_package"))
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert cli.main(["lab", "#lab=pool&n=5"]) == 0
    printed = capsys.readouterr().out.splitlines()
    address = printed[0].removeprefix("The lab is in ")
    assert opened == [address]
    assert address.endswith("/layerscope/lab/page/offline.html#lab=pool&n=5")
    assert Path(address.partition("#")[0].removeprefix("file://")).is_file()
    assert printed[1] == "With pip install 'layerscope[lab]' it trains networks too, and shows yours: layerscope lab MODEL"
    assert cli.main(["lab", "runs/a"]) == 2
    assert capsys.readouterr().err == (
        "layerscope lab: the page is served with your own network, for which packages are missing: "
        "pip install 'layerscope[lab]'. Without a network, layerscope lab opens the page from its file.\n"
    )
