"""Figures as files: images in rows, curves, kernels, activations, codes. One look for all (`sheet`).

Each function takes arrays and words, draws through matplotlib's Agg canvas without any window, and writes
a .png, .svg or .pdf file, whichever the path's suffix says. The same arguments give the same file.
"""
