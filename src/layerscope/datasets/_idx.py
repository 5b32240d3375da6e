"""IDX, the format of MNIST's files, plain or within gzip.

Big-endian: two zero bytes, one byte for the type of the elements (8: unsigned byte), one for the number of
axes, four for the length of each axis; then the elements, last axis fastest. Source: "The IDX file format",
Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GZIP = b"\x1f\x8b"


def content(path: Path) -> bytes:
    """The bytes of a file, decompressed if its name ends in .gz.

    Raises DataError when it cannot be read, is not gzip despite its name, is cut off or is damaged.
    """
    try:
        raw = path.read_bytes()
        if path.suffix != ".gz":
            return raw
        if not raw.startswith(GZIP):
            raise DataError(
                f"{path}: not a gzip file, for it begins with {_hex(raw[:4])} where gzip begins with 1f 8b. "
                "If it is not compressed, take .gz off its name; else get it again."
            )
        return gzip.decompress(raw)
    except EOFError:
        size = path.stat().st_size
        raise DataError(f"{path}: cut off, for its gzip data go on after its {size:,} bytes. Get it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}). Get it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def read(path: Path, inner: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """The unsigned bytes in an IDX file as a writable array of shape (N, *inner), N at least 1.

    Raises DataError, naming the file and what is wrong, for anything but exactly such a file.
    """
    import numpy as np

    data = content(path)
    axes = 1 + len(inner)
    start, magic = 4 + 4 * axes, bytes((0, 0, 8, axes))
    if data[:4] != magic:
        hint = " It is gzip: add .gz to its name." if data.startswith(GZIP) else ""
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes with {axes} {'axis' if axes == 1 else 'axes'}, "
            f"for it begins with {_hex(data[:4])}, expected {_hex(magic)}.{hint}"
        )
    if len(data) < start:
        raise DataError(f"{path}: {len(data)} bytes, too few for the IDX header of {start} bytes.")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    if shape[1:] != inner:
        raise DataError(f"{path}: images of {_times(shape[1:])}, expected {_times(inner)}.")
    if not shape[0]:
        raise DataError(f"{path}: its header announces 0 elements.")
    expected = start + math.prod(shape)
    if len(data) != expected:
        raise DataError(
            f"{path}: its header announces {_times(shape)} elements, so {expected:,} bytes, but it has {len(data):,}."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def _hex(data: bytes) -> str:
    return data.hex(" ") or "nothing"


def _times(extents: tuple[int, ...]) -> str:
    return "×".join(map(str, extents))
