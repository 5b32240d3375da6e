"""Operators of ONNX, each file with a table RULES: name of the operator -> rule."""
