"""Measurements, each a ratio taken within one run: `make bench`, explained in docs/performance.md."""
