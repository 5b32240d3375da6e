"""How a journey is said: which rows and columns, in which words, and as plain data.

`describe` makes the document that formats render, `facts` the object that is the JSON, `records` plain rows.
"""

from layerscope.telling.describing import describe, records
from layerscope.telling.facts import facts
from layerscope.telling.view import View

__all__ = ["View", "describe", "facts", "records"]
