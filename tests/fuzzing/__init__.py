"""Readers on broken input: `python -m tests.fuzzing [READER ...] [--seconds N]`, or `make fuzz`.

Whatever a reader is given, it answers, or refuses with a LayerscopeError, within a second of processor time and
200 MB. tests/data/corpus/READER/ holds what mutations start from, and every input that once broke that promise:
tests/test_corpus.py asks for each again.
"""
