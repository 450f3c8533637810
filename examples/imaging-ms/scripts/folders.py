"""How the steps hand work to each other: folders with a JSON document and raw arrays.

The bytes depend on the content alone (no time, no order of a dictionary), so that equal work gives equal files.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np


def write_document(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Write a JSON document into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def read_document(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON document."""
    return json.loads((folder / name).read_text(encoding="utf-8"))


def write_arrays(folder: Path, **arrays: np.ndarray) -> None:
    """Write arrays as `<name>.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_array(folder: Path, name: str) -> np.ndarray:
    """Read an array that `write_arrays` wrote."""
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def folders_with(folder: Path, name: str) -> list[Path]:
    """Give every folder in or below a folder that holds a file of this name, in the order of their paths."""
    return sorted(path.parent for path in folder.rglob(name))


def one_folder_with(folder: Path, name: str) -> Path:
    """Give the only folder in or below a folder that holds a file of this name; end the program where it is not one."""
    found = folders_with(folder, name)
    if len(found) != 1:
        raise SystemExit(f"expected one folder with {name} in {folder}, found {len(found)}")
    return found[0]
