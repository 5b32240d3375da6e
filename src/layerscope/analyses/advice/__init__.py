"""What would make a network fit: the smallest changes, found by search, each tried on the whole network.

The search takes the least change first and goes on from changes that carry the data farther (or nearer to the shape
that the output should have), until enough are found with which everything fits.
"""

from layerscope.analyses.advice.drafts import Misfit
from layerscope.analyses.advice.edits import Edit
from layerscope.analyses.advice.search import Advice, Fix, Visit, advise
from layerscope.analyses.advice.words import edit_words, factored, fix_words, notes

__all__ = ["Advice", "Edit", "Fix", "Misfit", "Visit", "advise", "edit_words", "factored", "fix_words", "notes"]
