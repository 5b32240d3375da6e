"""Who computes which blocks where these have nothing in common."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tests.native.calling import called
from tests.native.comparing import engines, going, settings
from tests.native.test_teams import case, images

from layerscope.engine.native import assembly, driver, rounds
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.ir import Array, Code, Module


def taken(count, block, teams, team=1, number=0, before=0):
    """The parts, (first, the one behind the last), that a thread takes alone after others took blocks before."""
    module = Module(1)
    code = Code(module, [("out", "ptr"), ("job", "ptr"), *((n, "i64") for n in ("count", "team", "teams", "number"))])
    out, job, examples, *own = code.arguments
    work = SimpleNamespace(k=code, recipe=SimpleNamespace(options=SimpleNamespace(block=block)))
    work.team, work.teams, work.number = own
    work.word_at = lambda place: code.put("ptr", f"getelementptr i64, {job}, i64 {place}")
    work.shared = lambda place: code.put("i64", f"load atomic i64, {work.word_at(place)} acquire, align 8")
    array = Array(out, "i64", 1000)
    with rounds.parts(work, examples) as (first, end):
        at = code.load(array, 0)
        code.store(first, array, code.add(code.mul(at, 2), 1))
        code.store(end, array, code.add(code.mul(at, 2), 2))
        code.store(code.i64(code.add(at, 1)), array, 0)
    code.ret()
    module.add(code, "parts")
    found, words = np.zeros(1000, np.int64), np.zeros(64, np.int64)
    words[driver.NEXT] = before
    called(module, "parts", found, words, count, team, teams, number)
    return found[1 : 2 * found[0] + 1].reshape(-1, 2).tolist()


@pytest.mark.parametrize(
    ("count", "block", "teams"), [(1, 4, 1), (77, 4, 2), (640, 16, 2), (100, 1, 5), (33, 16, 16)]
)
def test_all_blocks_are_taken_once(count, block, teams):
    parts = taken(count, block, teams)
    assert [first for first, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == count
    assert all(first % block == 0 for first, _ in parts)


def test_the_fewer_are_left_the_fewer_at_once():
    """So that the last ones are done at about the same time, however fast each thread is."""
    sizes = [(end - first) // 16 for first, end in taken(640, 16, 2)]
    assert sizes == [10, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1]


def test_what_others_took_is_left_to_them():
    assert taken(640, 16, 2, before=36)[0] == [576, 592]
    assert taken(640, 16, 2, before=40) == []
    assert taken(640, 16, 2, before=43) == []


def test_a_team_of_several_has_one_part():
    """All of its threads must agree on it."""
    assert [taken(72, 16, 3, team=2, number=number, before=1) for number in range(3)] == [
        [[0, 32]],
        [[32, 64]],
        [[64, 72]],
    ]


def test_results_do_not_depend_on_who_computes_them():
    made = case(images(), threads=1, count=150)
    found = []
    for made.threads in (1, 2, 5):
        with settings(lanes=4, groups=1):
            native, _ = engines(made, "float64")
            found += [native.predict(made.inputs, 150, going)[0] for _ in range(2)]
    assert all(np.array_equal(one, found[0]) for one in found[1:])


def test_what_is_added_up_is_not_independent():
    """Sums over a batch are the same to the bit only if each thread adds the same numbers every time."""
    job = case(images(), threads=1).job
    made = {
        name: assembly.assembled(getattr(job, name), options_for("float32", ("float32", "int64")[:arrays]))
        for name, arrays in (("inference", 1), ("evaluation", 2), ("training", 2))
    }
    assert {name: rounds.independent(recipe) for name, recipe in made.items()} == {
        "inference": True,
        "evaluation": False,
        "training": False,
    }
