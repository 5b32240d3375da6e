"""A document as one page of HTML that needs nothing else: table, figures, script and style in one file.

`render` makes the page; `data` what its script reads; page.js and page.css are in this folder, colours in theme.css.
The script runs by its hash alone, nothing is loaded, and texts of networks are never markup.
"""

from layerscope.report.page.frame import frame
from layerscope.report.page.html import render

__all__ = ["frame", "render"]
