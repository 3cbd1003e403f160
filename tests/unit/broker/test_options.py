import os

from hypothesis import given
from hypothesis import strategies as st

from testbeam.kafka_distribution.options import KINDS, LaunchOptions, from_plain_arguments
from testbeam.runtime.settings import parse
from testbeam.services.broker.settings import BrokerSettings

TEXTS = st.text(st.characters(codec="ascii", exclude_characters="-$[]{}\x00\n\r"), min_size=1, max_size=10)


def values(options: LaunchOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in KINDS}


def fully_parsed(argv: list[str]) -> dict[str, object]:
    return values(parse(BrokerSettings, "broker", argv).launch_options())


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@given(st.data())
def test_the_warm_start_understands_plain_arguments_as_the_full_program_does(data: st.DataObject) -> None:
    os.environ.pop("KAFKA_HOME", None)
    names = data.draw(st.lists(st.sampled_from(sorted(set(KINDS) - {"kafka_log_level"})), unique=True))
    argv = []
    for name in names:
        text = str(data.draw(st.integers(0, 70_000))) if KINDS[name] is int else data.draw(TEXTS)
        argv += [flag(name), text]

    plain = from_plain_arguments(argv)

    assert plain is not None
    assert values(plain) == fully_parsed(argv)


def test_a_property_may_be_given_more_than_once() -> None:
    argv = ["--property", "a=1", "--property", "b=2"]

    plain = from_plain_arguments(argv)

    assert plain is not None
    assert plain.property == ("a=1", "b=2") == fully_parsed(argv)["property"]


def test_without_arguments_the_defaults_are_those_of_the_full_program() -> None:
    os.environ.pop("KAFKA_HOME", None)
    plain = from_plain_arguments([])

    assert plain is not None
    assert values(plain) == fully_parsed([])


def test_anything_out_of_the_ordinary_is_left_to_the_full_program() -> None:
    for argv in (
        ["--help"],
        ["-c", "file.ini"],
        ["--plain-port=1"],
        ["--plain-port", "one"],
        ["--plain_port", "1"],
        ["--verbosity", "debug"],
    ):
        assert from_plain_arguments(argv) is None, argv
    assert from_plain_arguments(["--plain-port"]) is None
