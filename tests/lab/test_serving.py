"""The served lab: who is answered and who is not; scenes, one's own network and run."""

import json
import socket

import numpy as np
import pytest
from tests.lab.serving import DIGIT, NETWORK, PATIENCE, TOKEN, serving

from layerscope import studies, tracing
from layerscope.lab import drawing
from layerscope.lab.page import served
from layerscope.lab.scenes import journey, scene
from layerscope.lab.serving.own import Own
from layerscope.lab.state import described
from layerscope.models import load_model


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
        ({"drawn": "A", "of": "other"}, 'of is "own" or "live", not \'other\''),
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
    for network, shape in {
        "8x8x3 | conv 3 3 same": [8, 8, 3],
        "64 | dense 64": [8, 8, 1],
        "5x7 | dense 7": [5, 7, 1],
    }.items():
        with serving(Own(network)) as (_, client):
            status, answer = client.post("/api/reconstruct", {"drawn": DIGIT})
            assert (status, answer["shape"]) == (200, shape)
            assert len(answer["input"]) == len(answer["output"]) == np.prod(shape)
            assert answer["weights"] == "random weights (seed 0)"
