"""The tutorial's check as it stands, in both spellings of `retry`, and with the answer that is not read."""

from pathlib import Path

import pytest

from tests.integration.driver.conftest import EXAMPLE, RunCheck, command_line

SCRIPT = (EXAMPLE / "checks" / "simple.py").read_text()
NEWER = SCRIPT.replace("retry(check_value, timeout=10)", "retry(check_value, 10)")
NEWEST = SCRIPT.replace("retry(check_value, timeout=10)", "retry(check_value, timeout_seconds=10)")


def toml(proto: str = "", device: str = "") -> str:
    return f"""
[machines.machine.units.ioc]
db = ["{EXAMPLE}/exampleApp/Db/example.db,PREFIX=,PORT=PS1"]
ports = {{ PS1 = "localhost:9999" }}
protocols = ["{proto or EXAMPLE / "exampleApp" / "Db"}"]
after = ["simulator"]

[machines.machine.units.simulator]
device = "power_supply"
{device}
"""


def test_the_example_passes_as_it_is() -> None:
    ended = command_line("test", str(EXAMPLE / "checks" / "simple.py"), "--json", "-")
    assert ended.code == 0, ended.errors
    assert [sub["name"] for sub in ended.answer["checks"][0]["subtests"]] == ["check services", "check voltage"]


@pytest.mark.parametrize("script", [NEWER, NEWEST], ids=["positional", "timeout_seconds"])
def test_the_newer_spellings_of_retry_pass(script: str, run_check: RunCheck) -> None:
    assert script != SCRIPT
    ended = run_check(script, toml())
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize("latency_ms", [0, 1, 20])
def test_an_answer_that_no_protocol_reads_is_told_whatever_the_device_s_latency(
    latency_ms: int, run_check: RunCheck, tmp_path: Path
) -> None:
    """With a quick device the test may pass, with a slow one it can't: the answer is told in each case."""
    proto = (EXAMPLE / "exampleApp" / "Db" / "example.proto").read_text().replace('    in "OK";\n', "")
    script = """
machine.wait_until_succeeds("caget VOLT-RB", timeout=60)
machine.pv("VOLT").put(42)
machine.pv("VOLT").put(43)
machine.sleep(0.3)
machine.pv("VOLT-RB").get()
raise Exception("end")
"""
    ended = run_check(script, toml(str(tmp_path), f"faults = {{ late_s = {latency_ms / 1000} }}"), files={"example.proto": proto})
    explanation = dict(ended.answer["checks"][0]["explanation"])
    assert "VOLT: " in explanation["unread replies"]
    assert ":volt 4" in explanation["unread replies"]
    assert 'in "OK"' in explanation["unread replies"]


def test_the_failure_of_the_tutorial_as_printed_explains_itself(run_check: RunCheck, tmp_path: Path) -> None:
    proto = (EXAMPLE / "exampleApp" / "Db" / "example.proto").read_text().replace('    in "OK";\n', "")
    script = SCRIPT.replace("retry(check_value, timeout=10)", "retry(check_value, timeout=1)")
    ended = run_check(script, toml(str(tmp_path), "faults = { late_s = 0.02 }"), files={"example.proto": proto})
    check = ended.answer["checks"][0]
    assert ended.code == 1
    assert "check_value() true: not within 1 s" in check["problem"]
    assert "retry(check_value" in check["place"]
    explanation = dict(check["explanation"])
    assert 'VOLT: its protocol does not read the reply "OK" to ":volt 42.000000' in explanation["unread replies"]
    assert "VOLT-RB = 0   alarm INVALID CALC" in explanation["PVs now"]
    assert 'Input "OK" does not match format "%f"' in explanation["console of machine-ioc"]
    assert "VOLT-RB = 0   INVALID" in explanation["what happened, in order of time"]
    assert '"OK' in explanation["what happened, in order of time"]


def test_what_was_recorded_of_a_device_stands_for_it(run_check: RunCheck, tmp_path: Path) -> None:
    record = """
machine.pv("VOLT").put(42, within_s=60)
machine.pv("VOLT-RB").expect(42, within_s=60)
import shutil
shutil.copy(machine.wire_log(), "FOLDER/recorded.jsonl")
""".replace("FOLDER", str(tmp_path))
    assert run_check(record, toml()).code == 0
    replayed = toml().replace('"power_supply"', '"recorded.jsonl"\nport = 9999')

    ended = run_check('machine.pv("VOLT").put(42, within_s=60)\nmachine.pv("VOLT-RB").expect(42, within_s=60)\n', replayed)

    assert ended.code == 0, ended.errors
