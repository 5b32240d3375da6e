"""What is wrong with a line of text, as a Text: the messages of the project's own errors, taken apart.

Each message of the readers and layers that the lab knows has a pattern here, and a key in `strings.json`. A test
raises every one of them; a message without a pattern is told as it is (`net.other`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, cast

from layerscope.core.errors import LayerscopeError
from layerscope.lab.numbers import text as number_text
from layerscope.lab.scene import Text

_KIND = r"(?:.* \((?P<kind>\w+)\)|(?P<kind_>\w+)): "
_VALUE = r"not (?P<value>.+)"
_SHAPE = r"\(batch(?:, )?(?P<shape>[^)]*)\)"

PATTERNS: Mapping[str, str] = {
    "net.bracket.stage": r"a bracket starts a stage of its own.*",
    "net.bracket.deep": r"brackets within brackets, more than (?P<most>\d+) deep",
    "net.bracket.unopened": r"this bracket was never opened",
    "net.bracket.unclosed": r'a bracket "\[" is not closed',
    "net.bracket.times": r"after the brackets say how often.*",
    "net.many": r"more than (?P<most>[\d,]+) layers",
    "net.empty": r"the text is empty.*",
    "net.start": r"a network starts with the sizes of one example.*",
    "net.layer.near": r"unknown layer (?P<name>.+)\. Did you mean (?P<nearest>.+)\?",
    "net.layer": r"unknown layer (?P<name>.+)\.",
    "net.wordless": r"(?P<kind>\w+) (?:joins several|holds other|stands first|is for JSON|has no word).*",
    "net.unpool.none": r"nothing to undo: each unpool needs a maxpool.*",
    "net.missing": r"(?P<kind>\w+) needs (?P<needed>[\w ]+): (?P<usage>.+)",
    "net.twice": r"(?P<kind>\w+) is told its (?P<setting>\w+) twice",
    "net.as": r"'as' needs a name after it",
    "net.bare.none": r"(?P<kind>\w+) takes no numbers as bare words; what is (?P<word>.+)\?",
    "net.bare": r"(?P<kind>\w+) takes (?P<places>.+) as bare words; what is (?P<word>.+)\?",
    "net.value": r"(?P<word>.+) needs a value after it",
    "net.setting.near": r"unknown setting of (?P<kind>\w+) (?P<name>.+)\. Did you mean (?P<nearest>.+)\?",
    "net.setting": r"unknown setting of (?P<kind>\w+) (?P<name>.+?)\.(?: Known: .*)?",
    "net.activation.near": r"unknown activation (?P<name>.+)\. Did you mean (?P<nearest>.+)\?",
    "net.activation": r"unknown activation (?P<name>.+)\.",
    "net.activation.none": r"(?P<kind>Activation): give one of .*",
    "net.activation.name": rf"{_KIND}activation must be a name \(.*\), {_VALUE}",
    "net.name": r"two layers are called (?P<name>.+); names within a network are unique",
    "net.size": r"a size of (?P<axis>\w+) must be at least 1, not (?P<value>\d+)",
    "net.least": rf"{_KIND}(?P<setting>[\w ]+) must be at least (?P<least>\d+), {_VALUE}",
    "net.whole": rf"{_KIND}(?P<setting>[\w ]+) must be a whole number, {_VALUE}",
    "net.most": r"(?:\w+: )?[\w ]+ must be at most [\d,]+",
    "net.axes": rf"{_KIND}(?P<setting>\w+) must be one number or (?P<axes>\d), {_VALUE}",
    "net.padding": rf"{_KIND}padding must be 'valid' or 'same', {_VALUE}",
    "net.format": rf"{_KIND}data_format must be .*, {_VALUE}",
    "net.interpolation": rf"{_KIND}interpolation must be one of .*, {_VALUE}",
    "net.rate": rf"{_KIND}rate must be at least 0 and below 1, {_VALUE}",
    "net.number": rf"{_KIND}(?P<setting>\w+) must be a number at least (?P<least>\S+), {_VALUE}",
    "net.output_padding": rf"{_KIND}output_padding (?P<value>\(.*?\)) must be smaller than strides "
    r"(?P<strides>\(.*?\)),.*",
    "net.groups.filters": rf"{_KIND}filters \((?P<filters>\d+)\) must be a multiple of groups \((?P<groups>\d+)\)",
    "net.frame": rf"{_KIND}(?P<setting>\w+) must be n, \(rows.*\), {_VALUE}",
    "net.frame.pair": rf"{_KIND}(?P<setting>\w+) needs a begin and an end for each axis, {_VALUE}",
    "net.reshape.sequence": rf"{_KIND}target_shape must be a sequence of sizes, {_VALUE}",
    "net.reshape.one": rf"{_KIND}only one size may be -1, {_VALUE}",
    "net.rank.channel": rf"{_KIND}needs an input of (?P<axes>\d) axes .*, but got \d: {_SHAPE}\. Is the channel.*",
    "net.rank": rf"{_KIND}needs an input of (?P<axes>\d) axes .*, but got \d: {_SHAPE}.*",
    "net.window": rf"{_KIND}the kernel covers (?P<window>\d+) cells along its (?P<axis>\w+), but the input has only "
    r"(?P<size>-?\d+)\..*",
    "net.convt.empty": rf"{_KIND}its output would have the size (?P<size>-?\d+): .*",
    "net.groups": rf"{_KIND}the input's (?P<count>\d+) channels cannot be split into (?P<groups>\d+) groups",
    "net.glu": rf"{_KIND}activation='glu' halves the last axis, .* but is (?P<size>\d+): .*",
    "net.reshape.multiple": rf"{_KIND}cannot bring (?P<shape>\(.*\)), which has (?P<count>\d+) elements, into "
    r"(?P<target>\(.*\)), which has a multiple of (?P<wanted>\d+)",
    "net.reshape": rf"{_KIND}cannot bring (?P<shape>\(.*\)), which has (?P<count>\d+) elements, into "
    r"(?P<target>\(.*\)), which has (?P<wanted>\d+)",
    "net.crop": rf"{_KIND}cropping (?P<cropping>\(.*\)) leaves nothing of the (?P<axis>\w+), which is (?P<size>\d+)",
    "net.axis.open": r"(?:.*: )?needs to know the size of axis (?P<at>-?\d+), but got .*",
    "net.axis": rf"{_KIND}axis (?P<at>-?\d+) is not one of the (?P<axes>\d+) axes of {_SHAPE}",
    "net.shuffle": rf"{_KIND}blocks of (?P<rows>\d+)×(?P<columns>\d+) positions take a multiple of (?P<block>\d+) "
    r"channels, but got (?P<count>\d+): .*",
    "net.unpool.shapes": rf"{_KIND}values {_SHAPE} and switches \(batch(?:, )?(?P<switches>[^)]*)\) must have .*",
    "net.unpool.plane": rf"{_KIND}output_size (?P<value>\(.*?\)) contradicts .* plane of (?P<plane>\(.*\))",
    "net.dense.rank": rf"{_KIND}needs a batch and at least one more axis, but got .*",
}
"""The first pattern that a whole message fits says its key; its named groups are the arguments."""
AXES = ("length", "height", "width", "depth", "channels")
"""Those that have a name of their own in each language; others are called as they are."""
BY_AXIS = ("net.window", "net.crop")
"""Told by a key of its own for each axis: net.window.height."""
_COMPILED = {key: re.compile(pattern) for key, pattern in PATTERNS.items()}


def trouble_of(error: LayerscopeError) -> Text:
    """A message of a reader or of a layer as a key with arguments."""
    message = str(getattr(error, "message", error)).split("\n")[0]
    for key, pattern in _COMPILED.items():
        match = pattern.fullmatch(message)
        if match:
            groups = {name.rstrip("_"): found for name, found in match.groupdict().items() if found is not None}
            along = f".{groups.pop('axis')}" if key in BY_AXIS else ""
            return Text(key + along, {name: _argument(name, found) for name, found in groups.items()})
    return Text("net.other", {"message": message})


def _argument(name: str, found: str) -> str | int | Text:
    """An argument as one would write it in the text: 3x3 for (3, 3), same for 'same'."""
    if name == "axis" and found in AXES:
        return Text(f"axis.{found}")
    if name == "nearest":
        return ", ".join(word.strip("'") for word in found.split(" or "))
    if name in ("needed", "places"):
        return ", ".join(found.split(" and "))
    if name == "most":
        return int(found.replace(",", ""))
    if name in ("shape", "switches") and not found.startswith("("):
        return found.rstrip(",").replace(", ", "x")
    if re.fullmatch(r"-?\d{1,15}", found):
        return int(found)
    try:
        return written(ast.literal_eval(found))
    except (ValueError, SyntaxError):
        return found


def written(value: Any) -> str:
    """A value of a setting as the one-line text has it."""
    if isinstance(value, tuple | list):
        parts = cast("tuple[Any, ...]", tuple(value))
        pairs = any(isinstance(part, tuple) for part in parts)
        return "x".join(",".join(map(str, part)) if pairs else str(part) for part in parts)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return number_text(value) if isinstance(value, float) else str(value)
