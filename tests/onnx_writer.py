"""ONNX files byte by byte: just enough of the wire format to make models, good ones and bad ones, without onnx."""

import struct

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, FLOAT16 = 1, 2, 3, 6, 7, 8, 9, 10
KINDS = {float: 1, int: 2, str: 3}


def varint(number):
    """A number as a varint; negative ones as int64."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, value):
    """One field: a whole number, bytes, text, or a float."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*parts):
    """Fields behind each other; a part is (number, value), or (number, [values])."""
    return b"".join(
        field(number, one) for number, value in parts for one in (value if isinstance(value, list) else [value])
    )


def tensor(name, dims, numbers=None, kind=FLOAT, external=False, raw=None):
    """A TensorProto; without numbers it has no payload, as if that were in another file."""
    parts = [(1, list(dims)), (2, kind), (8, name)]
    if raw is not None:
        parts.append((9, raw))
    if numbers is not None:
        form = {FLOAT: "f", INT64: "q", INT32: "i", BOOL: "?", INT8: "b", UINT8: "B", FLOAT16: "e"}[kind]
        parts.append((9, struct.pack(f"<{len(numbers)}{form}", *numbers)))
    elif raw is None or external:
        parts += [(13, message((1, "location"), (2, "weights.bin"))), (14, 1)]
    return message(*parts)


def kind_of(dims, kind=FLOAT):
    """A TypeProto of a tensor: sizes are numbers, names or None; dims None: of unknown rank."""
    shape = []
    if dims is not None:
        sizes = [b"" if d is None else field(1, d) if isinstance(d, int) else field(2, d) for d in dims]
        shape = [(2, message((1, sizes)))]
    return message((1, message((1, kind), *shape)))


def value(name, dims, kind=FLOAT):
    """A ValueInfoProto."""
    return message((1, name), (2, kind_of(dims, kind)))


def attribute(name, found):
    """An AttributeProto from a Python value; bytes are a tensor, Graph a graph."""
    if isinstance(found, Graph):
        return message((1, name), (6, found.data), (20, 5))
    if isinstance(found, bytes):
        return message((1, name), (5, found), (20, 4))
    if isinstance(found, list | tuple):
        floats = any(isinstance(part, float) for part in found)
        return message((1, name), (7 if floats else 8, list(found)), (20, 6 if floats else 7))
    number = {1: 2, 2: 3, 3: 4}[KINDS[type(found)]]
    return message((1, name), (number, found), (20, KINDS[type(found)]))


def node(op, inputs, outputs, name="", domain="", **attributes):
    """A NodeProto; inputs and outputs are names with spaces between, "-" for one that is left out."""
    split = [["" if word == "-" else word for word in text.split()] for text in (inputs, outputs)]
    return message(
        (1, split[0]),
        (2, split[1]),
        *([(3, name)] if name else []),
        (4, op),
        *([(7, domain)] if domain else []),
        (5, [attribute(key, found) for key, found in attributes.items()]),
    )


class Graph:
    """A GraphProto, made of messages."""

    def __init__(self, nodes=(), inputs=(), outputs=(), initializers=(), values=(), name="net"):
        self.data = message(
            (1, list(nodes)), (2, name), (5, list(initializers)), (11, list(inputs)), (12, list(outputs)),
            (13, list(values)),
        )  # fmt: skip


def opset(version=21, domain=""):
    """An OperatorSetIdProto."""
    return message((1, domain), (2, version))


def function(name, domain, inputs, outputs, nodes, attributes=()):
    """A FunctionProto."""
    return message(
        (1, name), (4, inputs.split()), (5, outputs.split()), (6, list(attributes)), (7, list(nodes)),
        (9, [opset()]), (10, domain),
    )  # fmt: skip


def model(graph, version=21, ir=10, functions=(), domains=()):
    """A whole file."""
    return message(
        (1, ir), (2, "tests"), (7, graph.data), (8, [opset(version), *(opset(1, d) for d in domains)]),
        (25, list(functions)),
    )  # fmt: skip
