"""The kernels on the CPU: Numba, without the GIL, parallel over samples.

One module per kernel stem with the signature of its twin in `reference`.
"""
