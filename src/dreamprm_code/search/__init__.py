"""Searching with a PRM while programs are written: best-of-N, beam search and DVTS, function by function."""
