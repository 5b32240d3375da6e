"""What of a journey is shown: columns, depth, order, how many rows."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, SizeError
from layerscope.core.sizes import checked


@dataclass(frozen=True)
class View:
    """Wishes for a table; by default all layers in order, repeated blocks folded, and the usual columns.

    columns: names separated by commas, or a list; "all"; "+memory,-kind" changes the usual ones.
    depth: nested models deeper than this become one row each. sort: the column by which rows stand,
    largest first. top: only so many rows, by MACs if `sort` names nothing else. full: no block is folded.
    Errors: SettingError for a depth or top that is no whole number of at least 1.
    """

    columns: str | Sequence[str] | None = None
    depth: int | None = None
    sort: str | None = None
    top: int | None = None
    full: bool = False

    def __post_init__(self) -> None:
        for name in ("depth", "top"):
            value = getattr(self, name)
            try:
                if value is not None:
                    checked(value, name)
            except SizeError as error:
                raise SettingError(str(error)) from None

    @property
    def order(self) -> str | None:
        """The column that rows are sorted by; None: as they come."""
        return self.sort or ("macs" if self.top is not None else None)
