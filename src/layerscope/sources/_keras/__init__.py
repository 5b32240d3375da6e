"""Keras's networks, from a configuration in JSON or from a model in memory: each as a plan, and from that a graph."""
