"""The `when` of a step: whether a datum is worked on, by parameters and by the exports that reach it."""

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from aliquot.model.errors import Invalid


class Condition:
    """Decides on the datums of a step; without an expression it lets all of them in."""

    def __init__(self, expression: str | None, parameters: Mapping[str, Any]) -> None:
        self._text = expression
        self._compiled = None if expression is None else jmespath.compile(expression)
        self._parameters = parameters

    def __call__(self, exports: Mapping[str, Any]) -> bool:
        """Say whether a datum that these exports reach is let in; `Invalid` when the expression cannot take them.

        As in JMESPath, what is false, null or empty says no. An export hides a parameter of its name.
        """
        if self._compiled is None:
            return True
        try:
            value: Any = self._compiled.search({**self._parameters, **exports})
        except JMESPathError as error:
            raise Invalid(
                "when-not-usable",
                f"`when: {self._text}` cannot be decided with {dict(exports)!r}: {error}. Correct the expression, or "
                f"what the step before exports.",
                expression=self._text,
            ) from error
        return value is not None and value is not False and value not in ("", [], {})
