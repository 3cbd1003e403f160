from pathlib import Path

import pytest

from testbeam.errors import StackError
from testbeam.stacks.client_variables import StackFacts, client_variables
from testbeam.stacks.toml.file import parse

ENDPOINTS = {
    "broker": {"kafka": "127.0.0.1:9092"},
    "ioc": {"ca": "127.1.2.3:5064", "pva": "127.1.2.3:5075", "pva_search": "127.1.2.3:5076", "address": "127.1.2.3"},
    "my-ioc": {"ca": "127.1.2.4:5099", "pva": "127.1.2.4:5098", "pva_search": "127.1.2.4:5097", "address": "127.1.2.4"},
}


def variables(**changes: object) -> dict[str, str]:
    facts: dict[str, object] = {"id": "abc", "folder": "/run", "endpoints": ENDPOINTS, "pids": {"my-ioc": 7}, "output": "/out"}
    return client_variables(StackFacts(**(facts | changes)))  # type: ignore[arg-type]


def test_a_client_finds_broker_output_and_services() -> None:
    found = variables()

    assert found["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9092"
    assert (found["TESTBEAM_STACK"], found["TESTBEAM_FOLDER"], found["TESTBEAM_OUTPUT"]) == ("abc", "/run", "/out")
    assert found["TESTBEAM_ENDPOINT_MY_IOC_CA"] == "127.1.2.4:5099"
    assert found["TESTBEAM_PID_MY_IOC"] == "7"


def test_an_epics_client_reaches_every_ioc_and_nobody_else() -> None:
    found = variables()

    assert found["EPICS_CA_ADDR_LIST"] == "127.1.2.3 127.1.2.4:5099"
    assert found["EPICS_PVA_NAME_SERVERS"] == "127.1.2.3:5075 127.1.2.4:5098"
    assert found["EPICS_PVA_ADDR_LIST"] == "127.1.2.3 127.1.2.4:5097"
    assert (found["EPICS_CA_AUTO_ADDR_LIST"], found["EPICS_PVA_AUTO_ADDR_LIST"]) == ("NO", "NO")


def test_a_server_that_answers_no_search_over_tcp_is_no_name_server() -> None:
    where = {"pva": "127.1.2.3:5075", "pva_search": "127.1.2.3:5076", "pva_search_only": "127.1.2.3:5076"}
    found = variables(endpoints={"ioc": where})

    assert (found["EPICS_PVA_NAME_SERVERS"], found["EPICS_PVA_ADDR_LIST"]) == ("", "127.1.2.3")


def test_clients_of_two_stacks_have_a_repeater_each() -> None:
    other = {"ioc": {"ca": "127.9.9.9:5064"}}

    assert variables()["EPICS_CA_REPEATER_PORT"] != variables(endpoints=other)["EPICS_CA_REPEATER_PORT"]


def test_a_stack_without_ioc_or_broker_says_nothing_of_them() -> None:
    found = variables(endpoints={"web": {"http": "127.0.0.1:80"}}, output="", pids={})

    assert set(found) == {"TESTBEAM_STACK", "TESTBEAM_FOLDER", "TESTBEAM_ENDPOINT_WEB_HTTP"}


def test_names_of_one_s_own_are_templates_over_the_endpoints() -> None:
    found = variables(env_names={"MY_KAFKA": "kafka://${broker.kafka}", "DATA": "${output}/raw"})

    assert (found["MY_KAFKA"], found["DATA"]) == ("kafka://127.0.0.1:9092", "/out/raw")


BROKER = '[services.web]\ncommand = ["true"]\nports = ["main"]\nendpoints = { http = "${address}:${port.main}" }\n'


def test_the_file_may_have_them(tmp_path: Path) -> None:
    declaration = parse(BROKER + '[env_names]\nWEB = "http://${web.http}/"\n', tmp_path / "testbeam.toml")

    assert declaration.env_names == {"WEB": "http://${web.http}/"}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[env_names]\nWEB = "${web.htp}"', "did you mean web.http"),
        ('[env_names]\n"9X" = "a"', "no shell takes such a name"),
        ("[env_names]\nWEB = 3", "is no text"),
    ],
)
def test_what_is_wrong_with_them_is_said_with_file_and_key(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(StackError, match=rf"testbeam\.toml: env_names.*{told}"):
        parse(BROKER + table + "\n", tmp_path / "testbeam.toml")
