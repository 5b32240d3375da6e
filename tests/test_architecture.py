"""The promises of docs/architecture.md that a machine can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import layerscope
from layerscope.core import errors

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "layerscope"
FILES = sorted(SOURCE.rglob("*.py"))
TEXT = "28x28x1 | conv 16 3 same relu | maxpool 2 same | flatten | dense 10"
FRAMEWORKS = ("keras", "tensorflow", "torch", "jax", "onnx", "onnxruntime")
HEAVY = ("numpy", "scipy", "llvmlite", "sklearn", "matplotlib", "PIL", "rich", *FRAMEWORKS[:-1])
LIGHT_PARTS = ("core", "layers", "sources", "analyses", "telling", "tracing.py", "cli", "__init__.py")
MEGABYTES = 25

PROBE = """
import contextlib, io, resource, sys
with contextlib.redirect_stdout(io.StringIO()):
    {code}
found = sorted(name for name in sys.modules if name.partition(".")[0] in {heavy!r})
print(len(found), *found[:5], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def probe(code):
    """Heavy modules that the code loads (their number and the first few), and peak megabytes.

    A process starts with the peak of the one that made it, so a small one stands between.
    """
    script = PROBE.format(code=code, heavy=HEAVY)
    relay = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', sys.argv[1]], stdout=-1).stdout.decode())"
    done = subprocess.run([sys.executable, "-c", relay, script], capture_output=True, text=True, check=True)
    count, *rest = done.stdout.split()
    return int(count), rest[:-1], float(rest[-1])


LIGHT = {
    "import": "import layerscope",
    "text": f"from layerscope import cli; assert cli.main(['trace', {TEXT!r}]) == 0",
    "example": "from layerscope import cli; assert cli.main(['trace', 'example:image-conv', '--batch', '64']) == 0",
    "json": f"from layerscope import cli; assert cli.main(['trace', {TEXT!r}, '--format', 'json']) == 0",
    "page": f"from layerscope import cli; assert cli.main(['trace', {TEXT!r}, '--format', 'html']) == 0",
    "figure": f"from layerscope import cli; assert cli.main(['trace', {TEXT!r}, '--format', 'svg']) == 0",
    "examples": "from layerscope import cli; assert cli.main(['examples']) == 0",
}


@pytest.mark.parametrize("name", LIGHT)
def test_tracing_is_light(name):
    count, first, megabytes = probe(LIGHT[name])
    assert count == 0, first
    assert megabytes < MEGABYTES


def test_tracing_makes_no_dataclass_of_the_standard_librarys():
    """`core.dataclasses` has them made when they are used; one `from dataclasses import` would undo it."""
    script = (
        f"import sys; {LIGHT['text']}; print([name for name in ('dataclasses', 'inspect') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_test_of_lightness_can_fail():
    count, _, megabytes = probe("import numpy; kept = numpy.ones(3_000_000)")
    assert count > 0
    assert megabytes > MEGABYTES


def test_nothing_heavy_is_imported_by_light_modules_when_they_are_loaded():
    for path in FILES:
        part = path.relative_to(SOURCE).parts[0]
        if part == "targets" or part in LIGHT_PARTS:
            heavy = FRAMEWORKS if part == "targets" else HEAVY
            for node in ast.parse(path.read_text("utf-8")).body:
                names = _imported(node)
                assert not any(name.split(".")[0] in heavy for name in names), path


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_files_and_functions_are_short():
    for path in [*FILES, *sorted((ROOT / "tests").rglob("*.py"))]:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"


def test_public_names_are_few_and_there():
    assert len(layerscope.__all__) <= 20
    for name in layerscope.__all__:
        assert getattr(layerscope, name) is not None
    with pytest.raises(AttributeError, match=r"module 'layerscope' has no attribute 'nothing'"):
        layerscope.nothing  # noqa: B018


def test_public_functions_and_classes_are_documented():
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_the_drawn_tree_of_errors_is_the_real_one():
    drawn = {}
    path = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)(\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            drawn[match[2]] = path[-2] if depth else "ValueError"
    real = {
        name: cls.__base__.__name__
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, errors.LayerscopeError)
    }
    assert drawn == real


def test_a_layer_reaches_arrays_through_one_hook_only():
    hooks = [p for p in (SOURCE / "core").glob("*.py") if "layerscope.models" in p.read_text("utf-8")]
    assert [path.name for path in hooks] == ["contract.py"]
    assert (SOURCE / "core" / "contract.py").read_text("utf-8").count("layerscope.models") == 1


def test_the_map_names_every_folder_and_module():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for path in SOURCE.iterdir():
        if path.name not in ("__pycache__", "py.typed"):
            assert path.stem in text, path
    for path in (SOURCE / "engine" / "native").glob("*.py"):
        assert path.stem == "__init__" or f"`{path.stem}`" in text, path
