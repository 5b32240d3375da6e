"""The parts of the ONNX source."""
