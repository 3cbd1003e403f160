import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbeam.errors import NexusError
from testbeam.nexus import compose
from testbeam.nexus.structure import Dataset, Group, Link, Stream, parse


def parse_one(node: Any) -> Any:
    (child,) = parse(json.dumps({"children": [node]})).children
    return child


def test_groups_datasets_links_and_streams_come_out_as_written() -> None:
    root = parse(
        compose.nexus_structure(
            compose.group(
                "entry",
                "NXentry",
                compose.dataset("title", "My run"),
                compose.link("other", "../entry/title"),
                compose.stream("ev44", topic="tb_detector", source="panel", chunk_size=100),
            )
        )
    )

    (entry,) = root.children
    assert isinstance(entry, Group)
    assert (entry.path, entry.attributes[0].name, entry.attributes[0].value.item()) == ("/entry", "NX_class", "NXentry")
    title, link, stream = entry.children
    assert isinstance(title, Dataset)
    assert title.value.item() == "My run"
    assert isinstance(link, Link)
    assert link.source == "../entry/title"
    assert isinstance(stream, Stream)
    assert (stream.module, stream.topic, stream.source, stream.config["chunk_size"]) == ("ev44", "tb_detector", "panel", 100)


def test_streams_are_found_with_the_path_of_their_group() -> None:
    root = parse(compose.nexus_structure(compose.group("entry", "NXentry", compose.log("speed", topic="motion", source="TB:SPEED"))))

    assert [(path, stream.source) for path, stream in root.streams()] == [("/entry/speed", "TB:SPEED")]


def test_attributes_may_be_an_object_or_a_list() -> None:
    as_object = parse_one({"type": "group", "name": "a", "attributes": {"text": "x", "flag": True, "big": 2**63}})
    as_list = parse_one(
        {"type": "group", "name": "a", "attributes": [{"name": "n", "values": [1, 2], "dtype": "int16"}, {"name": "m", "value": 1.5}]}
    )

    assert {a.name: a.value.tolist() for a in as_object.attributes} == {"text": "x", "flag": 1, "big": 2**63}
    assert [(a.name, a.value.dtype.name, a.value.tolist()) for a in as_list.attributes] == [("n", "int16", [1, 2]), ("m", "float64", 1.5)]


def test_a_dataset_without_a_type_is_double_but_text_stays_text() -> None:
    assert parse_one({"module": "dataset", "config": {"name": "a", "values": [1]}}).value.dtype == "float64"
    assert parse_one({"module": "dataset", "config": {"name": "a", "values": "x"}}).value.item() == "x"


def test_a_blank_structure_is_fine() -> None:
    assert parse("{}").children == ()


@pytest.mark.parametrize("text", ["", "{", "[1,]", "[" * 100_000])
def test_what_is_no_json_says_so_in_the_words_of_the_field(text: str) -> None:
    with pytest.raises(NexusError, match="Could not parse NeXus structure JSON"):
        parse(text)


@pytest.mark.parametrize(
    ("node", "place", "problem"),
    [
        ({"type": "group"}, "$.children[0]", "`name`"),
        ({"type": "group", "name": "a/b"}, "$.children[0]", "can't be a name"),
        ({"type": "group", "name": ".."}, "$.children[0]", "can't be a name"),
        ({"type": "group", "name": "a", "children": 1}, "$.children[0].children", "list"),
        ({"type": "group", "name": "a", "attributes": 1}, "$.children[0].attributes", "object or a list"),
        ({"type": "dataset", "name": "a"}, "$.children[0]", "`module`"),
        ({"module": "f144"}, "$.children[0].config", "config object"),
        ({"module": "f144", "config": {"topic": "t"}}, "$.children[0].config", "`source`"),
        ({"module": "dataset", "config": {"name": "a"}}, "$.children[0].config", "neither"),
        ({"module": "dataset", "config": {"name": "a", "values": 1, "type": "x"}}, "$.children[0].config", "not a type"),
        (1, "$.children[0]", "object"),
        ("$USERS$", "$.children[0]", "a placeholder of a template has to be filled in first"),
    ],
)
def test_an_error_names_the_place_in_the_json(node: Any, place: str, problem: str) -> None:
    with pytest.raises(NexusError, match=problem) as caught:
        parse_one(node)
    assert caught.value.path == place


def test_a_name_may_be_there_only_once_in_its_group() -> None:
    with pytest.raises(NexusError, match="'a' is there twice"):
        parse(compose.nexus_structure(compose.dataset("a", 1), compose.group("a", "NXlog")))


def test_endless_nesting_is_refused() -> None:
    node: dict[str, Any] = {"type": "group", "name": "a"}
    for _ in range(200):
        node = {"type": "group", "name": "a", "children": [node]}
    with pytest.raises(NexusError, match="nested"):
        parse_one(node)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.sampled_from(["group", "dataset", "link", "f144"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "name", "children", "attributes", "module", "config", "values", "source", "topic"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_parsed_or_refused_by_name(value: Any) -> None:
    try:
        parsed = parse(json.dumps(value))
    except NexusError as refused:
        place = refused.path
    else:
        place = parsed.place
    assert place.startswith("$")


def test_words_that_the_grammar_does_not_know_are_named_with_the_nearest_one() -> None:
    warnings: list[str] = []
    node = {"module": "dataset", "config": {"name": "a", "values": 1, "dtpye": "int"}, "atributes": {}}

    parse(json.dumps({"childern": [], "children": [node], "attributes": [{"name": "b", "values": 1, "xyz": 0}]}), warnings=warnings)

    assert sorted(warning.split(" is not known")[0] for warning in warnings) == [
        "$.attributes[0]: 'xyz'",
        "$.children[0].config: 'dtpye'",
        "$.children[0]: 'atributes'",
        "$: 'childern'",
    ]
    assert "did you mean 'children'?" in warnings[0]
    assert "known are name, value" in warnings[-1]


def test_an_unknown_module_is_named_before_its_config_is_looked_at() -> None:
    with pytest.raises(NexusError, match=r"\$\.children\[0\]: unknown module 'xx00'; known are dataset, link, f144"):
        parse(json.dumps({"children": [{"module": "xx00"}]}), modules=("f144",))


def test_mdat_needs_neither_topic_nor_source() -> None:
    (node,) = parse(json.dumps({"children": [{"module": "mdat", "config": {"items": ["start_time"]}}]})).children

    assert isinstance(node, Stream)
    assert (node.topic, node.source) == ("", "")


def test_nodes_of_the_older_grammar_are_taken() -> None:
    children = [
        {"type": "dataset", "name": "a", "dataset": {"type": "int32", "size": [2]}, "values": [1, 2], "attributes": {"units": "m"}},
        {"type": "stream", "stream": {"writer_module": "f142", "topic": "t", "source": "s", "type": "double"}},
        {"type": "link", "name": "b", "target": "/a"},
    ]

    dataset, stream, link = parse(json.dumps({"children": children})).children

    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.value.dtype, dataset.attributes[0].name) == ("a", np.dtype("i4"), "units")
    assert isinstance(stream, Stream)
    assert (stream.module, stream.source, dict(stream.config)) == ("f142", "s", {"topic": "t", "source": "s", "type": "double"})
    assert link == Link(name="b", source="/a", place="$.children[2]")


def padded(lengths: Sequence[int]) -> Any:
    """Return lists that are padded to these lengths, and have few items themselves."""
    value: Any = [1] * lengths[-1]
    short: Any = [1]
    for length in reversed(lengths[:-1]):
        value, short = [value] + [short] * (length - 1), [short]
    return value


def test_ragged_lists_that_would_fill_the_memory_are_refused_before_they_do() -> None:
    node = {"module": "dataset", "config": {"name": "a", "values": padded([30] * 7)}}

    with pytest.raises(NexusError, match=r"would take 21870000000 values with its rows padded to one length; at most 16777216"):
        parse(json.dumps({"children": [node]}))


def test_values_of_more_dimensions_than_hdf5_has_are_refused() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]

    with pytest.raises(NexusError, match="more than 32 deep"):
        parse(json.dumps({"children": [{"module": "dataset", "config": {"name": "a", "values": value}}]}))


def test_numbers_that_are_said_to_be_a_string_are_written_as_numbers_with_a_warning() -> None:
    warnings: list[str] = []
    attributes = [{"name": "vector", "dtype": "string", "values": [0.0, 0.0, 1.0]}]

    root = parse(json.dumps({"children": [], "attributes": attributes}), warnings=warnings)

    assert root.attributes[0].value.tolist() == [0.0, 0.0, 1.0]
    assert warnings == ["$.attributes[0]: vector is said to be a string, and is written as what it has, numbers"]


def test_a_word_that_is_twice_in_an_object_is_named() -> None:
    warnings: list[str] = []
    attributes = '[{"name": "b", "values": 1}, {"name": "b", "values": 2}]'
    text = '{"children": [{"type": "group", "name": "a"}], "children": [], "attributes": ' + attributes + "}"
    root = parse(text, warnings=warnings)

    assert root.children == ()
    assert warnings == [
        "'children' is there twice in one object of the JSON; the last one counts",
        "$.attributes: 'b' is there twice; the first one counts",
    ]


def test_unknown_words_without_end_are_not_all_looked_up() -> None:
    warnings: list[str] = []
    parse(
        json.dumps({f"childrem{i}": 0 for i in range(1_000)} | {"children": [{"type": "group", "name": "a", "nane": 0}]}), warnings=warnings
    )

    assert len(warnings) == 100


def test_a_link_can_t_lead_to_a_path_that_hdf5_would_cut() -> None:
    with pytest.raises(NexusError, match=r"children\[0\].config: 'a\\x00b' can't be a path"):
        parse(json.dumps({"children": [{"module": "link", "config": {"name": "l", "source": "a\0b"}}]}))
