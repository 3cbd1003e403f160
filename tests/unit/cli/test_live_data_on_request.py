"""The reference stack has live data where something is asked of that role, and else starts without it."""

import sys
from pathlib import Path

import pytest

from testbeam.cli.foreground import replaced_in
from testbeam.errors import StackError
from testbeam.stacks.reference import full_chain
from testbeam.stacks.toml.file import reference


def test_a_program_in_the_place_of_live_data_brings_the_role_in() -> None:
    stack = replaced_in(reference(), None, [f"livedata={sys.executable} --brokers ${{broker.kafka}}"], None)

    (service,) = [one for one in stack.services if one.role == "livedata"]
    assert service.command == (sys.executable, "--brokers", "${broker.kafka}")
    assert {one.name for one in stack.services} == {one.name for one in full_chain().services}


def test_without_such_a_wish_nothing_of_it_is_started() -> None:
    assert "livedata" not in {one.role for one in replaced_in(reference(), None, None, None).services}


def test_a_checkout_whose_topics_would_be_others_is_refused_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "src" / "ess" / "livedata" / "services").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()

    with pytest.raises(StackError, match='prefix = "dummy" for the stack and instrument = "dummy"'):
        replaced_in(reference(), [f"livedata={tmp_path}"], None, None)
