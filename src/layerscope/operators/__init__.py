"""Described operators: what networks in files from elsewhere (ONNX, PyTorch) are made of, in any order of axes.

A file is a family, such as convolutions or reductions. An operator carries its source's own name. Layers of our own
(`layerscope.layers`, channels last) are for building and training; operators are for tracing.
"""
