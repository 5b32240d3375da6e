"""What needs weights or data: what a network does to inputs, measured by running it. One file a question."""
