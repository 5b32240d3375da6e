"""The parts of the source for PyTorch: the tape of a forward, its reader, and functions of torch as layers."""
