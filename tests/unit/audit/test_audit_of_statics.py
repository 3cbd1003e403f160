"""What the start command alone determines: each change of it in the file is found."""

from collections.abc import Callable

import h5py
import pytest

from testbeam.audit.core import compare, expected
from testbeam.nexus.compose import dataset, group, link, nexus_structure, stream
from tests.unit.audit.by_hand import job, log, mark, messages, write_log

STRUCTURE = nexus_structure(
    group(
        "entry",
        "NXentry",
        dataset("title", "a run", short="r"),
        dataset("numbers", [1.5, 2.5], units="m"),
        group(
            "voltage",
            "NXlog",
            stream("f144", topic="motion", source="VOLT", value_units="V", enable_alarm_info=False, enable_epics_con_info=False),
        ),
        link("alias", "voltage/value"),
    )
)


def file_with(change: Callable[[h5py.File], None]) -> h5py.File:
    """Return a right file with one change."""
    file = h5py.File("a", "w", driver="core", backing_store=False)
    entry = file.create_group("entry")
    entry.attrs["NX_class"] = "NXentry"
    entry["title"], entry["numbers"] = "a run", [1.5, 2.5]
    entry["title"].attrs["short"], entry["numbers"].attrs["units"] = "r", "m"
    voltage = entry.create_group("voltage")
    write_log(voltage, [log(1_100)], "f8", 0)
    mark(voltage, "f144", "motion", "VOLT")
    voltage["value"].attrs["units"] = "V"
    entry["alias"] = voltage["value"]
    change(file)
    return file


def changed(path: str, name: str, value: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[path].attrs[name] = value

    return change


def without(path: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]

    return change


def other_values(file: h5py.File) -> None:
    file["entry/numbers"][1] = 3


def other_target(file: h5py.File) -> None:
    del file["entry/alias"]
    file["entry/alias"] = file["entry/numbers"]


def vector(file: h5py.File) -> None:
    del file["entry/voltage/minimum_value"]
    file["entry/voltage/minimum_value"] = [1.0, 2.0]


def text(file: h5py.File) -> None:
    del file["entry/voltage/minimum_value"]
    file["entry/voltage/minimum_value"] = "none"


def test_a_right_file_is_clean_and_what_is_not_judged_is_said() -> None:
    result = compare(expected(job(STRUCTURE), messages([(0, log(1_100))])), file_with(lambda _file: None))

    assert result.ok, result.findings
    assert any("who wrote the file" in words for words in result.not_judged)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (changed("entry", "NX_class", "NXnote"), "/entry@NX_class"),
        (changed("entry/title", "short", "x"), "/entry/title@short"),
        (changed("entry/voltage", "source", "OTHER"), "/entry/voltage@source"),
        (changed("entry/voltage/value", "units", "kV"), "/entry/voltage/value@units"),
        (changed("entry/voltage/time", "start", "1990-01-01T00:00:00Z"), "/entry/voltage/time@start"),
        (without("entry/title"), "/entry/title"),
        (without("entry/alias"), "/entry/alias"),
        (other_values, "/entry/numbers"),
        (other_target, "/entry/alias"),
        (vector, "/entry/voltage/minimum_value"),
        (text, "/entry/voltage/minimum_value"),
    ],
)
def test_each_change_is_found_at_its_place(change: Callable[[h5py.File], None], path: str) -> None:
    result = compare(expected(job(STRUCTURE), messages([(0, log(1_100))])), file_with(change))

    assert path in [finding.path for finding in result.findings]


def test_values_that_the_type_of_the_dataset_does_not_hold_are_counted_apart() -> None:
    structure = STRUCTURE.replace('"value_units": "V"', '"value_units": "V", "dtype": "int32"')

    def as_integers(file: h5py.File) -> None:
        voltage = file["entry/voltage"]
        for name in list(voltage):
            del voltage[name]
        write_log(voltage, [log(1_100)], "i4", 0)
        mark(voltage, "f144", "motion", "VOLT")
        voltage["value"].attrs["units"] = "V"
        del file["entry/alias"]
        file["entry/alias"] = voltage["value"]

    result = compare(expected(job(structure), messages([(0, log(1_100))])), file_with(as_integers))

    assert (result.ok, result.narrowed) == (True, 1), result.findings
