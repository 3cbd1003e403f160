import pytest

from testbeam.cli.commands import _spelled_out
from testbeam.cli.option_words import in_options

OPTIONS = {"to_ms": "--to", "from_ms": "--from", "overwrite=True": "--force", "path": "--output"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("to_ms: 3 can't be used; give a time after `from_ms`", "--to: 3 can't be used; give a time after --from"),
        ("path: 'a' can't be used; give a new file, or `overwrite=True`", "--output: 'a' can't be used; give a new file, or --force"),
        ("broker: see `ss -ltnp`, or a path: any", "broker: see `ss -ltnp`, or a path: any"),
        ("no stack is up", "no stack is up"),
    ],
)
def test_parameters_are_told_as_options_and_nothing_else_is_touched(message: str, told: str) -> None:
    assert in_options(message, OPTIONS) == told


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["forwarder", "--wait-to-attach-debugger"], ["forwarder", "--wait-to-attach-debugger=*"]),
        (["forwarder", "--wait-to-attach-debugger", "true", "-k", "x"], ["forwarder", "--wait-to-attach-debugger=*", "-k", "x"]),
        (["--wait-to-attach-debugger=two", "true"], ["--wait-to-attach-debugger=two", "true"]),
        (["true"], ["true"]),
    ],
)
def test_the_option_that_may_stand_alone_or_before_true_is_spelled_out(words: list[str], given: list[str]) -> None:
    assert _spelled_out(words) == given
