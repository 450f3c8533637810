"""What tests do when a service that they need is not there."""

import os

import pytest


def require_service(present: bool, package: str) -> None:
    """Skip with the name of the missing package, or fail where services are required."""
    if present:
        return
    reason = f"needs {package}, which is not installed"
    if os.environ.get("ALIQUOT_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
