"""A module of LLVM IR while it is collected: functions, constants, declarations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerscope.engine.native.types import Value, literal, vector

if TYPE_CHECKING:
    from layerscope.engine.native.ir import Code


LONG = 200
"""Instructions from which on a function may keep registers on its stack, which is aligned for them then."""


@dataclass
class Module:
    """Functions and constants, as text; functions of the same text exist once."""

    lanes: int
    real: str = "float"
    checked: bool = False
    attributes: str = ""
    fused: bool = True
    _parts: list[str] = field(default_factory=list[str])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _declared: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def vector(self) -> str:
        """The type of one register of numbers."""
        return vector(self.real, self.lanes)

    def table(self, numbers: Sequence[float], item: str) -> Value:
        """A constant array in memory."""
        body = ", ".join(f"{item} {literal(n, item)}" for n in numbers)
        text = f"internal unnamed_addr constant [{len(numbers)} x {item}] [{body}], align 64"
        if text not in self._names:
            self._names[text] = f"@table{len(self._names)}"
            self._parts.append(f"{self._names[text]} = {text}")
        return Value(self._names[text], "ptr")

    def declare(self, result: str, name: str, *arguments: str) -> None:
        """Mention an intrinsic or an outside function."""
        self._declared[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def add(self, code: Code, export: str = "") -> str:
        """Finish a function; its name, which is an earlier one's if that has the same text."""
        parameters = ", ".join(
            f"{type} {'noalias ' if type == 'ptr' and code.noalias else ''}%{parameter}"
            for parameter, type in code.parameters
        )
        text = code.text()
        body = f"({parameters}) #{int(text.count('  ') > LONG)} {{\n{text}}}"
        key = f"{code.result} {body}"
        if not export and key in self._names:
            return self._names[key]
        name = export or f"kernel{len(self._names)}"
        self._names[key] = name
        linkage = "" if export else "internal "
        self._parts.append(f"define {linkage}{code.result} @{name}{body}")
        return name

    def _attributes(self) -> list[str]:
        own = ("nounwind", 'nounwind "stackrealign"')
        return [f"attributes #{number} = {{ {words} {self.attributes} }}" for number, words in enumerate(own)]

    def text(self) -> str:
        """The whole module."""
        violation = ["@violations = global i64 0, align 8"] if self.checked else []
        return "\n\n".join([*violation, *self._declared.values(), *self._parts, *self._attributes()])
