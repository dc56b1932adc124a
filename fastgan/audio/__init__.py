"""Sound as numbers: numpy and numba, never torch."""
