"""Kernels: loops that Numba compiles, one family a file. Imported only where they are used."""
