"""A PyTorch module, function or program followed for its trace: copied, called once on tensors without numbers, drawn."""
