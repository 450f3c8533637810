"""Images that cannot be had: told apart by what the container command says, and waited for where that helps."""

import pytest

from aliquot.engine.waits import Waits
from aliquot.executors.refusals import image_refused
from aliquot.model.errors import Unavailable
from aliquot.model.retry import MOST_WAITS


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("manifest for x:9 not found: manifest unknown: manifest unknown", "image-missing"),
        ("reading manifest latest in quay.io/a/b: name unknown: repository not found", "image-missing"),
        ("localhost/x: image not known", "image-missing"),
        ("unauthorized: authentication required", "image-denied"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "image-denied"),
        ("reading manifest: requested access to the resource is denied", "image-denied"),
        ("toomanyrequests: You have reached your pull rate limit.", "image-quota"),
        ("received unexpected HTTP status: 429 Too Many Requests", "image-quota"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "image-unavailable"),
        ("received unexpected HTTP status: 503 Service Unavailable", "image-unavailable"),
        ("dial tcp: lookup registry.lab: no such host", "image-unavailable"),
        ("podman did not answer in 3600 s", "image-unavailable"),
        ("net/http: TLS handshake timeout", "image-unavailable"),
    ],
)
def test_refusals_are_told_apart(said: str, code: str) -> None:
    error = image_refused("x:9", said)
    assert error.code == code
    assert isinstance(error, Unavailable) == (code in {"image-unavailable", "image-quota"})
    assert said in error.message


def test_a_run_waits_longer_each_time_and_not_for_ever() -> None:
    now = [0.0]
    waits = Waits(lambda: now[0])
    assert not waits.resting(1)
    tries = 0
    while waits.again(1):
        tries += 1
        assert waits.resting(1)
        now[0] += 721
        assert not waits.resting(1)
    assert tries == MOST_WAITS - 1
    assert waits.again(1)
    assert waits.over(1)
    assert not waits.resting(1)
    assert not waits.over(1)
