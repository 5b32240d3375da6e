"""Dataclasses that are made when they are used are what the standard library makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any, ClassVar

import pytest

from layerscope.core import dataclasses as ours


def family(module, **wishes):
    """A class with defaults of all kinds and one derived from it, made by `module`; the same text for both."""

    @module.dataclass(**wishes)
    class Base:
        """A base."""

        first: int
        second: str = "b"
        name: str | None = module.field(default=None, kw_only=True)
        shared: ClassVar[int] = 7

    @module.dataclass(**wishes)
    class Derived(Base):
        """A derived class, with one default of the base's changed."""

        second: str = "c"
        third: list[int] = module.field(default_factory=list)
        unseen: int = module.field(default=0, compare=False)

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError(f"first is {self.first}")

    return Base, Derived


WISHES = ({}, {"frozen": True}, {"eq": False}, {"frozen": True, "eq": False})
both = pytest.mark.parametrize("wishes", WISHES, ids=str)
MADE = (
    lambda base, derived: base(1),
    lambda base, derived: base(1, "x", name="n"),
    lambda base, derived: base(second="y", first=2),
    lambda base, derived: derived(1),
    lambda base, derived: derived(1, "x", [3], 4, name="n"),
    lambda base, derived: derived(first=5, third=[1]),
)
REFUSED = (
    lambda base, derived: base(),
    lambda base, derived: base(1, "x", "n"),
    lambda base, derived: base(1, wrong=2),
    lambda base, derived: base(1, first=2),
    lambda base, derived: derived(-1),
)


def outcome(do):
    """What comes of it: the value, or the error's class and words."""
    try:
        return do()
    except Exception as error:
        return type(error), str(error)


@both
@pytest.mark.parametrize("number", range(len(MADE)))
def test_objects_are_those_of_the_standard_library(wishes, number):
    mine, theirs = (MADE[number](*family(module, **wishes)) for module in (ours, dataclasses))
    assert vars(mine) == vars(theirs)
    assert list(vars(mine)) == list(vars(theirs))
    assert repr(mine) == repr(theirs)
    assert type(mine).__match_args__ == type(theirs).__match_args__
    assert str(inspect.signature(type(mine))) == str(inspect.signature(type(theirs)))
    assert [(f.name, f.type) for f in ours.fields(mine)] == [(f.name, f.type) for f in dataclasses.fields(theirs)]
    assert vars(ours.replace(mine, first=9)) == vars(dataclasses.replace(theirs, first=9))
    assert vars(copy.deepcopy(mine)) == vars(mine)


@both
@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_refused_is_refused_in_the_same_words(wishes, number):
    mine, theirs = (outcome(lambda m=module: REFUSED[number](*family(m, **wishes))) for module in (ours, dataclasses))
    assert mine == theirs
    assert isinstance(mine, tuple)


@both
def test_objects_are_compared_and_hashed_alike(wishes):
    found: list[list[Any]] = []
    for module in (ours, dataclasses):
        base, derived = family(module, **wishes)
        one, other = base(1, "c"), base(1, "c")
        pairs = [
            (one, one),
            (one, other),
            (one, base(2)),
            (one, derived(1)),
            (derived(1, unseen=1), derived(1)),
            (one, 1),
        ]
        found.append([(a == b, a != b) for a, b in pairs])
        found[-1].append(base.__hash__ is None)
        if wishes == {"frozen": True}:
            assert hash(one) == hash(other)
            found[-1].append(hash(one))
        elif "eq" in wishes:
            assert hash(one) == object.__hash__(one)
    assert found[0] == found[1]


@both
def test_values_of_frozen_ones_stay(wishes):
    found: list[list[Any]] = []
    for module in (ours, dataclasses):
        base, derived = family(module, **wishes)

        class Loose(base):
            """Derived without being a dataclass."""

        def change(made, name):
            setattr(made, name, 3)
            delattr(made, name)
            return sorted(vars(made))

        cases = [(cls(1), name) for cls in (base, derived, Loose) for name in ("first", "name", "other")]
        found.append([outcome(lambda c=case: change(*c)) for case in cases])
    assert found[0] == found[1]
    assert ((dataclasses.FrozenInstanceError, "cannot assign to field 'first'") in found[0]) == ("frozen" in wishes)


@both
def test_the_standard_library_takes_them_for_its_own(wishes):
    (base, derived), (their_base, their_derived) = family(ours, **wishes), family(dataclasses, **wishes)
    made, theirs = derived(1, "x", [2]), their_derived(1, "x", [2])
    assert dataclasses.is_dataclass(derived)
    assert dataclasses.is_dataclass(made)
    assert dataclasses.asdict(made) == dataclasses.asdict(theirs)
    assert vars(dataclasses.replace(made, name="n")) == vars(dataclasses.replace(theirs, name="n"))
    for mine, other in zip(dataclasses.fields(derived), dataclasses.fields(their_derived), strict=True):
        for key in ("name", "type", "default", "default_factory", "kw_only", "compare", "init", "repr"):
            assert getattr(mine, key) == getattr(other, key)
    assert repr(base.__dataclass_params__) == repr(their_base.__dataclass_params__)


@both
def test_the_standard_library_derives_from_them(wishes):
    found: list[Any] = []
    for module in (ours, dataclasses):
        _, derived = family(module, **wishes)

        @dataclasses.dataclass(**wishes)
        class Last(derived):
            """Made by the standard library."""

            fourth: int = 4
            inner: int = dataclasses.field(default=5, init=False)

        made = Last(1, fourth=6, name="n")
        found.append((repr(made), str(inspect.signature(Last)), vars(made)))
        if module is ours:
            taken = ours.fields(Last)
            assert [f.name for f in taken] == ["first", "second", "name", "third", "unseen", "fourth"]
            assert [f.name for f in taken if f.default is ours.MISSING] == ["first", "third"]
            assert vars(ours.replace(made, first=2)) == vars(made) | {"first": 2}
    assert found[0] == found[1]


@both
@pytest.mark.parametrize("bound", [False, True])
def test_a_constructor_calls_the_one_before_it(wishes, bound):
    for module in (ours, dataclasses):

        @module.dataclass(**wishes)
        class Base:
            values: int
            make: int = 2

        @module.dataclass(**wishes)
        class Given(Base):
            def __init__(self, values: int) -> None:
                super().__init__(values) if bound else Base.__init__(self, values)

        assert vars(Given(1)) == {"values": 1, "make": 2}
        assert str(inspect.signature(Given)) == "(values: 'int') -> 'None'"


@ours.dataclass(frozen=True)
class Empty:
    """Without values."""


@ours.dataclass(frozen=True)
class Own:
    """With methods of its own."""

    value: int

    def __init__(self) -> None:
        object.__setattr__(self, "value", 3)

    def __repr__(self) -> str:
        return "own"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 5


def test_empty_ones_and_what_a_class_defines_itself():
    assert (Empty() == Empty(), hash(Empty()), repr(Empty())) == (True, hash(()), "Empty()")
    assert (Own().value, repr(Own()), Own() == 1, hash(Own())) == (3, "own", True, 5)
    assert pickle.loads(pickle.dumps(Own())).value == 3
    with pytest.raises(TypeError, match=r"^int is no dataclass$"):
        ours.fields(3)
    assert repr(ours.MISSING) == "MISSING"
