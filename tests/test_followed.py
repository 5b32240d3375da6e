"""What stands for tensors while a call is followed, and how it becomes a part of a graph."""

import zipfile

import pytest

from layerscope.core.errors import SourceError
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import Input
from layerscope.operators._operator import ABSENT
from layerscope.operators.standing import TensorInput
from layerscope.sources import _files, _followed
from layerscope.sources._followed import Value, Weight


def test_operands_in_their_slots():
    """An output, two weights of one role, one of them turned, a constant, and one that is left out."""
    stored = WeightType((3, 5))
    x, number = TensorType((2, 3)), TensorType(())
    values = [
        Value(x, record="dense"),
        Value(TensorType((3, 5)), weight=Weight("a.weight", "weight", stored)),
        Value(TensorType((5, 3)), weight=Weight("b.weight", "weight", stored)),
        Value(number),
        None,
        Value(TensorType((3, 5)), weight=Weight("c.of.it.", "of.it", stored)),
    ]
    found = _followed.slotted(values)
    assert found.slots == (None, "weight", "weight_1", number, ABSENT, "of_it")
    assert found.parameters == {"weight": stored, "weight_1": stored, "of_it": stored}
    assert found.forms == {"weight_1": TensorType((5, 3))}
    assert found.ids == {"weight": "a.weight", "weight_1": "b.weight", "of_it": "c.of.it."}
    assert [one.constant for one in values if one] == [False, False, False, True, False]


def test_names_are_free_in_their_scope():
    names = _followed.Names()
    made = [
        names.free(("a",), "add"),
        names.free(("b",), "add"),
        names.free(("a",), "add"),
        names.free(("a",), "add"),
    ]
    assert made == [(("a",), "add"), (("b",), "add"), (("a",), "add_1"), (("a",), "add_2")]


@pytest.mark.parametrize(
    ("kind", "is_input"), [(TensorType((2, 3)), True), (TensorType(()), False), (TensorType((2, 0)), False)]
)
def test_inputs(kind, is_input):
    made = _followed.input_layer(kind, "x")
    assert type(made) is (type(Input((3,)).call.layer) if is_input else TensorInput)
    assert made.out() == (kind,)
    assert made.name == "x"


def test_what_is_taken_out_of_an_archive(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "text of it")
    assert _files.from_archive(path, lambda archive: archive.read("a.json")) == b"text of it"
    path.write_bytes(path.read_bytes().replace(b"text of it", b"text if it"))
    with pytest.raises(SourceError) as caught:
        _files.from_archive(path, lambda archive: archive.read("a.json"))
    assert str(caught.value) == f"{path}: damaged: Bad CRC-32 for file 'a.json'"

    def refused(archive):
        raise SourceError("it has no calls")

    with pytest.raises(SourceError) as caught:
        _files.from_archive(path, refused)
    assert str(caught.value) == f"{path}: it has no calls"
