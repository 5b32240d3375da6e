"""Training in the served lab: watched by two, stopped at once, asked for in ways that cannot be."""

import threading
from pathlib import Path

import numpy as np
import pytest
from tests.lab.serving import DIGIT, NETWORK, PATIENCE, alive, serving

from layerscope.lab.serving.live import asked, command
from layerscope.models import load_model


@pytest.fixture
def fresh():
    with serving() as (lab, client):
        yield lab, client


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
    assert [event["event"] for event in late if event["event"] != "batch"] == [
        event["event"] for event in events if event["event"] != "batch"
    ]
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
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'. Did you mean 'adam' or 'nadam' or 'adamw'?"),
        (
            {"loss": "mse"},
            "a training has no setting 'loss'; it has network, data, epochs, batch_size, optimizer, learning_rate, seed",
        ),
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
