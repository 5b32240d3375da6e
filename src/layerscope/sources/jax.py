"""JAX: a function, or a module of Flax or Equinox, traced as it is.

`jax.make_jaxpr` calls it once on abstract values, which have sizes and no numbers; each primitive in the jaxpr
becomes a described operator, and what a library's layer or function is made of becomes one row (`_jax/`). Calls of
modules are marked by scopes (`_jax/modules.py`), so that rows have the names of modules.
"""

from __future__ import annotations

import sys
from typing import Any

from layerscope.core.graph import Graph
from layerscope.sources import _asked as asked
from layerscope.sources import _functions
from layerscope.sources import _opening as opening

SUMMARY = "a function of JAX, or a module of Flax or Equinox, with input=(1, 224, 224, 3)"
TAKES_INPUT = True
TAKES_BATCH = True
TAKES_PARAMETERS = True


def handles(what: object) -> bool:
    """Whether this is a module of Flax or Equinox, a jitted function, or a function where JAX alone is loaded.

    None of these is imported to find out.
    """
    if "jax" not in sys.modules:
        return False
    alone = "torch" not in sys.modules and isinstance(what, _functions.FUNCTIONS)
    return is_module(what) or _functions.is_jitted(what) or alone


def is_module(what: object) -> bool:
    """Whether this is a module of Flax or Equinox, as far as these are loaded."""
    return not isinstance(what, type) and any(
        name in sys.modules and isinstance(what, getattr(sys.modules[name], "Module", ()))
        for name in ("flax.linen", "flax.nnx", "equinox")
    )


def read(what: Any, input: Any = None, batch: int | None = None, parameters: Any = None) -> Graph:
    """What it does to inputs of these sizes, as a graph; nothing is computed, and no array is allocated.

    `input` as for PyTorch: sizes with the batch, (1, 224, 224, 3), with a dtype ((1, 128), "int32"), arrays or
    jax.ShapeDtypeStruct; several in a list, which may be nested as the arguments are; or by name in a dictionary. A
    first size of None leaves the batch open. `parameters`: a pytree that is the first argument of a function, or the
    variables of a Flax module, of which otherwise `init` states the sizes.
    Errors: SourceError where it cannot be followed, with the line that stops it.
    """
    from layerscope.sources._jax import following

    given = asked.asked(input)
    given = given if batch is None else given.batched(batch)
    if given.open:
        return opening.followed(lambda filled: following.follow(what, filled, parameters), given)
    return following.follow(what, given, parameters)
