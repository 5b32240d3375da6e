"""A module, function or program of PyTorch as it is: copied, called once on tensors without numbers, and drawn."""
