"""The specification: plain Python integers, loops and float64, written to be read.

One module per kernel stem. `cpu` and the CUDA sources follow these line by line and are tested
against them: windows and cutouts to the bit, pixels within a stated tolerance.
"""
