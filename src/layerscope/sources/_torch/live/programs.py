"""Programs that torch.export wrote (.pt2): PyTorch opens them, and what they call is followed as a module's forward."""

from __future__ import annotations

import os
import warnings
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.core.files import why
from layerscope.sources._torch.live.asked import Asked, Wanted, dtype_name


def load(torch: Any, path: str | os.PathLike[str]) -> Any:
    """The program in a file; SourceError where PyTorch does not open it."""
    name = os.fspath(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(path)
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {why(error)}") from None
    except Exception as error:  # whatever PyTorch raises for one that it cannot open
        words = str(error).strip().splitlines()
        raise SourceError(
            f"{name}: PyTorch {torch.__version__} does not open it: {words[0] if words else type(error).__name__}"
        ) from None


def opened(torch: Any, program: Any, input: Any) -> tuple[Any, Any]:
    """The program as a module whose parts have the paths of those that it was exported from, and its inputs' sizes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = program.module(check_guards=False)
    return module, _own(torch, program) if input is None else input


def _own(torch: Any, program: Any) -> Any:
    """The sizes that it was exported for."""
    args, kwargs = program.example_inputs or ((), {})
    pytree = torch.utils._pytree

    def wanted(one: Any) -> Any:
        return Wanted(tuple(one.shape), dtype_name(one.dtype)) if isinstance(one, torch.Tensor) else one

    return Asked(pytree.tree_map(wanted, tuple(args)), pytree.tree_map(wanted, dict(kwargs)))
