"""The files that people write: read, checked, and compared with what is registered."""

from aliquot.definitions.difference import Change, Registered, difference
from aliquot.definitions.found import Bundled, Definitions, Found
from aliquot.definitions.new_lab import write_template
from aliquot.definitions.problem import Problem
from aliquot.definitions.read import read_lab, read_pipeline_file
from aliquot.definitions.schema import json_schema

__all__ = [
    "Bundled",
    "Change",
    "Definitions",
    "Found",
    "Problem",
    "Registered",
    "difference",
    "json_schema",
    "read_lab",
    "read_pipeline_file",
    "write_template",
]
