import pytest

from testbeam.wire.pv_reading import PvValue, Reading

ENUM = Reading(value=1, choices=("OFF", "ON"))


def test_an_enum_is_read_by_its_choice_and_matches_both() -> None:
    assert ENUM.text == "ON"
    assert ENUM.matches(1)
    assert ENUM.matches("ON")
    assert not ENUM.matches("OFF")


def test_an_enum_beyond_its_choices_is_read_by_its_index() -> None:
    assert Reading(value=7, choices=("OFF", "ON")).text == "7"


def test_an_array_of_characters_is_text_up_to_its_nul() -> None:
    reading = Reading(value=[72, 105, 0, 99], is_characters=True)

    assert reading.text == "Hi"
    assert reading.matches("Hi")
    assert reading.matches([72, 105, 0, 99])


def test_signed_characters_are_the_bytes_of_utf8() -> None:
    assert Reading(value=[-61, -87], is_characters=True).text == "é"


@pytest.mark.parametrize(
    ("value", "wanted", "matching"),
    [
        (1.5, 1.5, True),
        (42.0, 42, True),
        ("a", "a", True),
        ([1.0, 2.0], (1, 2), True),
        ([1.0], 1.0, False),
        (1.5, [1.5], False),
        (3, "3", True),
    ],
)
def test_a_value_matches_what_equals_it(value: PvValue, wanted: PvValue, matching: bool) -> None:
    assert Reading(value=value).matches(wanted) is matching
