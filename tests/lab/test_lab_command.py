"""`layerscope lab` from its start to its end, which leaves nothing."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab.serving import NETWORK, PATIENCE, Client, alive, until

from layerscope import cli, studies
from layerscope.lab.serving.running import listening


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        studies.train(NETWORK, "digits", epochs=1, batch_size=256, optimizer="adam", out=place, verbose=0)
    return place


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
    with listening(client.port):  # as the next launch takes it
        pass


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
    assert (
        printed[1]
        == "With pip install 'layerscope[lab]' it trains networks too, and shows yours: layerscope lab MODEL"
    )
    assert cli.main(["lab", "runs/a"]) == 2
    assert capsys.readouterr().err == (
        "layerscope lab: the page is served with your own network, for which packages are missing: "
        "pip install 'layerscope[lab]'. Without a network, layerscope lab opens the page from its file.\n"
    )
