"""The open lab: its parts, built from `aliquot.yaml`, and what they do together."""

from aliquot.lab.lab import Lab, find_folder, open_lab

__all__ = ["Lab", "find_folder", "open_lab"]
