"""Kernels of gca_dali: plain arrays in, plain arrays out.

`reference` is the specification (NumPy, loops), `cpu` the Numba twin, and the modules beside them
launch the CUDA C++ of the same stem through CuPy.
"""
