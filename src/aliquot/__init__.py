"""Aliquot, the data platform of biotech and clinical laboratories."""

__version__ = "0.1.0"
