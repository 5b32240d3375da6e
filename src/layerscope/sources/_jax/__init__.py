"""Functions of JAX, and modules of Flax and Equinox, as they are: traced on sizes without numbers, and drawn."""
