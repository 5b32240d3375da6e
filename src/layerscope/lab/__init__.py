"""The lab: what a layer does to small data, cell by cell. A state (a link's hash) becomes a scene; painters draw it.

`scenes/` computes in Python, by the layers' own definitions; `web/` has the same arithmetic in TypeScript for the
page. Golden vectors hold the two together (tests/browser/test_twins.py).
"""
