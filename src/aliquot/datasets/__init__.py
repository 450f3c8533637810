"""Versions of datasets: commit, read, compare, verify, rebuild, lineage."""
