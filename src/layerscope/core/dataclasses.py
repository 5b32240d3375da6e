"""Dataclasses that are made when they are used: the standard library's, as far as they are needed here.

`dataclasses.dataclass` writes and compiles half a dozen methods for each class while its module is imported, and
imports `inspect` to do so: more than half of the time in which a network is traced, for classes of which most are
never used. Here `__init__` is compiled when the first object is made; comparing, hashing and printing need no code of
their own. What the standard library asks of its dataclasses (`dataclasses.fields`, `replace`, `asdict`) is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform, overload

Made = TypeVar("Made")


class _Sign:
    """Equal to nothing but itself; its words stand in signatures."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return self.words


MISSING: Any = _Sign("MISSING")
"""Stands for a default that is not there."""
FACTORY: Any = _Sign("<factory>")
"""Stands for a default that is made for each object."""
OWN = "__own_fields__"
FIELDS, PARAMETERS = "__dataclass_fields__", "__dataclass_params__"
"""Where fields are, and where the standard library looks for them."""


class Field:
    """One setting of a dataclass: its name, its type as it is written, and what it is if it is not given."""

    def __init__(self, default: Any, default_factory: Any, kw_only: bool, compare: bool) -> None:
        self.name, self.type = "", ""
        self.default, self.default_factory = default, default_factory
        self.kw_only, self.compare = kw_only, compare

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING and self.default_factory is MISSING


def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] = MISSING,
    kw_only: bool = False,
    compare: bool = True,
) -> Any:
    """A setting with more to say than its default; as `dataclasses.field`."""
    return Field(default, default_factory, kw_only, compare)


@overload
def dataclass(cls: type[Made], /) -> type[Made]:
    """Bare, as a decorator without parentheses."""
    ...


@overload
def dataclass(cls: None = None, /, *, frozen: bool = False, eq: bool = True) -> Callable[[type[Made]], type[Made]]:
    """With what is wished."""
    ...


@dataclass_transform(field_specifiers=(field,))
def dataclass(cls: type[Any] | None = None, /, *, frozen: bool = False, eq: bool = True) -> Any:
    """A class of named values, from its annotations, as `dataclasses.dataclass`.

    `frozen`: they are not assigned to. `eq`: two of one class are equal where their values are; otherwise each equals
    itself alone. Annotations are read as text, so the module needs `from __future__ import annotations`.
    """

    def made(cls: type[Any]) -> type[Any]:
        return _made(cls, frozen, eq)

    return made if cls is None else made(cls)


def fields(of: Any) -> tuple[Field, ...]:
    """The values that a dataclass, or one of which this is an object, is made of, in the order of its definition."""
    cls = cast("type[Any]", of if isinstance(of, type) else type(of))
    return tuple(_fields(cls).values())


def replace(of: Made, /, **changes: Any) -> Made:
    """A copy with some values changed; checked as if it were made anew."""
    cls = type(of)
    return cls(**{name: getattr(of, name) for name in _fields(cls)} | changes)


def twin(of: Made, **changes: Any) -> Made:
    """Another one with the same values but for some; none is checked, as they were when the first one was made."""
    made = object.__new__(type(of))
    made.__dict__.update(of.__dict__, **changes)
    return made


def _fields(cls: type[Any]) -> dict[str, Field]:
    for base in cls.__mro__:
        if OWN in base.__dict__:
            return base.__dict__[OWN]
        if FIELDS in base.__dict__:  # one of the standard library's that is derived from one of these
            return {name: _taken(one) for name, one in base.__dict__[FIELDS].items() if one.init}
    raise TypeError(f"{cls.__name__} is no dataclass")


def _taken(one: Any) -> Field:
    """A field of the standard library's."""
    from dataclasses import MISSING as ABSENT

    default, factory = (MISSING if value is ABSENT else value for value in (one.default, one.default_factory))
    made = Field(default, factory, one.kw_only, one.compare)
    made.name, made.type = one.name, one.type
    return made


def _made(cls: type[Any], frozen: bool, eq: bool) -> type[Any]:
    found: dict[str, Field] = {}
    for base in cls.__mro__[:0:-1]:
        found |= base.__dict__.get(OWN, {})
    for name, kind in vars(cls).get("__annotations__", {}).items():
        if not kind.startswith("ClassVar"):
            found[name] = _field(cls, name, kind)
    parts: dict[str, Any] = {
        OWN: found,
        FIELDS: _Late(cls, FIELDS, lambda: _standard(cls, FIELDS, found, frozen, eq)),
        PARAMETERS: _Late(cls, PARAMETERS, lambda: _standard(cls, PARAMETERS, found, frozen, eq)),
        "__match_args__": tuple(one.name for one in found.values() if not one.kw_only),
        "__init__": _Late(cls, "__init__", lambda: _init(cls, found, frozen)),
        "__repr__": _repr,
        **(_compared([one.name for one in found.values() if one.compare], frozen) if eq else {}),
        **(_frozen(cls, found) if frozen else {}),
    }
    for name, part in parts.items():
        if vars(cls).get(name) is None:  # what the class defines itself stays
            setattr(cls, name, part)
    return cls


def _field(cls: type[Any], name: str, kind: str) -> Field:
    """The field of an annotation, with the default as the class's attribute, where there is one."""
    default = cls.__dict__.get(name, MISSING)
    made = default if isinstance(default, Field) else Field(default, MISSING, False, True)
    made.name, made.type = name, kind
    if made.default is not MISSING:
        setattr(cls, name, made.default)
    elif default is made:
        delattr(cls, name)
    return made


class _Late:
    """An attribute of a class that is made when it is asked for, and then takes this one's place."""

    def __init__(self, cls: type[Any], name: str, make: Callable[[], Any]) -> None:
        self.cls, self.name, self.make = cls, name, make

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        made = self.make()
        setattr(self.cls, self.name, made)
        bind = getattr(made, "__get__", None)
        return made if bind is None else bind(instance, owner)


def _init(cls: type[Any], found: dict[str, Field], frozen: bool) -> Callable[..., None]:
    """`__init__` with an argument for each field. Values go straight into the object's dictionary: assigning to a
    frozen object would take three times as long.
    """
    known: dict[str, Any] = {"_FACTORY": FACTORY}
    plain, named, body = list[str](), list[str](), ["_values = self.__dict__"]
    for name, one in found.items():
        value = name
        if one.default_factory is not MISSING:
            known[f"_make_{name}"], known[f"_default_{name}"] = one.default_factory, FACTORY
            value = f"_make_{name}() if {name} is _FACTORY else {name}"
        elif one.default is not MISSING:
            known[f"_default_{name}"] = one.default
        (named if one.kw_only else plain).append(name if one.required else f"{name}=_default_{name}")
        body.append(f"_values[{name!r}] = {value}" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    arguments = ", ".join(["self", *plain, *(["*", *named] if named else [])])
    exec(f"def __init__({arguments}):\n " + "\n ".join(body), known)
    made = known["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    made.__annotations__ = {name: one.type for name, one in found.items()} | {"return": None}
    return made


def _repr(self: Any) -> str:
    values = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
    return f"{self.__class__.__qualname__}({values})"


def _compared(names: list[str], frozen: bool) -> dict[str, Any]:
    """Equality by the values of these names; and a hash, where they stay."""
    get = attrgetter(*names) if names else None

    def values(of: object) -> tuple[object, ...]:
        return () if get is None else get(of) if len(names) > 1 else (get(of),)

    def equal(self: object, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed if frozen else None}


def _frozen(cls: type[Any], found: dict[str, Field]) -> dict[str, Any]:
    """No field is assigned to or deleted; what a class that is derived from this one adds may be, and a property."""

    def check(self: object, name: str, verb: str) -> None:
        if (type(self) is cls or name in found) and not _settable(type(self), name):
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot {verb} field {name!r}")

    def assign(self: object, name: str, value: object) -> None:
        check(self, name, "assign to")
        super(cls, self).__setattr__(name, value)

    def delete(self: object, name: str) -> None:
        check(self, name, "delete")
        super(cls, self).__delattr__(name)

    return {"__setattr__": assign, "__delattr__": delete}


def _settable(cls: type[Any], name: str) -> bool:
    found = getattr(cls, name, None)
    return isinstance(found, property) and found.fset is not None


def _standard(cls: type[Any], name: str, found: dict[str, Field], frozen: bool, eq: bool) -> Any:
    """What the standard library knows of a class that it made itself."""
    import dataclasses

    def told(one: Field) -> Any:
        if one.default_factory is not MISSING:
            return dataclasses.field(default_factory=one.default_factory, kw_only=one.kw_only, compare=one.compare)
        default = dataclasses.MISSING if one.default is MISSING else one.default
        return dataclasses.field(default=default, kw_only=one.kw_only, compare=one.compare)

    listed = [(one.name, one.type, told(one)) for one in found.values()]
    return getattr(dataclasses.make_dataclass(cls.__name__, listed, frozen=frozen, eq=eq), name)
