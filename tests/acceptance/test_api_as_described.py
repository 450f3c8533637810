"""The API against its own OpenAPI document: whatever is sent, no fault of ours, and every answer as documented."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup

from rights_world import Asker, World, rights_world

EXAMPLES = 5
ENDS = "/api/v1/sessions/end"
"""What signs out who asks, so that nothing else would be answered."""
AS_DESCRIBED = [
    checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with rights_world(tmp_path_factory.mktemp("described") / "lab") as made:
        yield made


def headers_of(asker: Asker) -> dict[str, str]:
    cookies = "; ".join(f"{name}={value}" for name, value in asker.cookies.items())
    return {**asker.headers, "x-csrf-token": asker.word, "cookie": cookies}


def readable(said: Any) -> Any:
    """Take the kinds of a pair's parts out of a schema: schemathesis turns them into what it then refuses itself."""
    if isinstance(said, dict):
        return {key: readable(each) for key, each in said.items() if key != "prefixItems"}
    return [readable(each) for each in said] if isinstance(said, list) else said


@pytest.mark.timeout(900)
def test_every_answer_is_as_the_document_says(world: World) -> None:
    admin = next(each for each in world.askers if each.label == "administrator")
    own = headers_of(admin)
    document = readable(httpx.get(f"{world.address}/api/v1/openapi.json", headers=own, timeout=60).json())
    wrong, asked = list[str](), 0
    things = dict(world.everything())["blue"]

    def send(case: Any, real: dict[str, object]) -> None:
        nonlocal asked
        asked += 1
        case.path_parameters = {**case.path_parameters, **real}
        answer = case.call(base_url=world.address, headers=own, timeout=120)
        try:
            case.validate_response(answer, checks=AS_DESCRIBED)
        except FailureGroup as group:
            said = "; ".join(f"{each.title}: {each.message}" for each in group.exceptions)
            wrong.append(f"{case.method} {case.formatted_path} → {answer.status_code} {said}\n{answer.text[:300]}")

    def try_out(operation: Any, values: dict[str, object]) -> None:
        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def examples(case: Any) -> None:
            send(case, values)

        examples()

    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if operation.path == ENDS:
            continue
        # A path that names nothing, and one that names what is there: otherwise all answers would be 404.
        try_out(operation, {})
        names = [each.name for each in operation.path_parameters]
        if names:
            try_out(
                operation,
                {each: str(world.value_of(operation.path, each, admin.name, things)) for each in names},
            )
    assert not wrong, "\n\n".join(wrong)
    assert asked > 500
    # What is not as the document says is found.
    answers = document["paths"]["/api/v1/rights"]["get"]["responses"]
    answers["200"]["content"]["application/json"]["schema"] = {"type": "string"}
    rights = next(
        each.ok()
        for each in schemathesis.openapi.from_dict(document).get_all_operations()
        if each.ok().path == "/api/v1/rights"
    )
    try_out(rights, {})
    assert "/api/v1/rights" in "".join(wrong)
