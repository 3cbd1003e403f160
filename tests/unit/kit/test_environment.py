import pytest

from testbeam.kit.environment import scrubbed, service_environment


@pytest.mark.parametrize(
    "name",
    [
        *("KAFKA_OPTS", "KAFKA_HOME", "SASL_MECHANISM", "SASL", "EPICS_CA_ADDR_LIST", "EPICS_PVA_SERVER_PORT"),
        *("JAVA_HOME", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "TESTBEAM_RUN_ID"),
    ],
)
def test_what_could_lead_a_service_out_of_its_stack_is_left_out(name: str) -> None:
    assert scrubbed({name: "junk", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_rest_is_kept() -> None:
    kept = {"PATH": "/bin", "HOME": "/home/x", "https_proxy": "http://p", "MY_KAFKA_": "1"}
    assert scrubbed(kept) == kept


def test_a_service_knows_its_run_and_gets_its_own_variables() -> None:
    env = service_environment(
        "abc", {"EPICS_CA_SERVER_PORT": "5064", "OPENBLAS_NUM_THREADS": "2"}, scrubbed({"EPICS_CA_SERVER_PORT": "1", "PATH": "/bin"})
    )

    assert env == {
        "PATH": "/bin",
        "EPICS_CA_SERVER_PORT": "5064",
        "OPENBLAS_NUM_THREADS": "2",
        "PYTHONUNBUFFERED": "1",
        "TESTBEAM_RUN_ID": "abc",
    }


def test_the_runs_mark_can_not_be_taken_off() -> None:
    assert service_environment("abc", {"TESTBEAM_RUN_ID": ""}, {})["TESTBEAM_RUN_ID"] == "abc"
