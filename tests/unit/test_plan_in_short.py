"""A long plan in short: how many datums of each step would run, and why."""

from aliquot.engine.preview import Group, Intent, in_short


def test_datums_are_counted_by_step_action_and_reason() -> None:
    skip = [Intent("split", f"/{n}", {"a": [f"/{n}"]}, "skip", "done before") for n in range(3)]
    run = [Intent("split", "/3", {"a": ["/3"]}, "run", "new or changed input")]
    later = [Intent("merge", "…", {}, "run", "its datums are known when split has run")]
    assert in_short([*skip[:2], *run, *skip[2:], *later]) == [
        Group("split", "skip", "done before", 3),
        Group("split", "run", "new or changed input", 1),
    ]
