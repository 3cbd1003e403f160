"""Code of the how-tos that is no test by itself does what its page says."""

import re
from pathlib import Path
from typing import Any

from testbeam.kit.spec import Service
from testbeam.stacks.roles.role import Role

HOW_TO = Path(__file__).parents[3] / "docs/how-to"


def defined_in(page: str, number: int = 0) -> dict[str, Any]:
    """Return the names that a block of a page defines."""
    block = re.findall(r"^```python\n(.*?)^```", (HOW_TO / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[number]
    names: dict[str, Any] = {"__name__": "shown"}
    exec(block, names)
    return names


def test_the_pump_of_the_page_on_simulators_comes_to_speed() -> None:
    pump = defined_in("simulate-a-device.md")["Pump"](seed=1)

    assert pump.answer(b"SPD 250") == b"OK"
    pump.pass_time(2.0)
    assert abs(float(pump.answer(b"SPD?")) - 200.0) < 1.0
    pump.pass_time(2.0)
    assert abs(float(pump.answer(b"SPD?")) - 250.0) < 1.0


def test_the_role_of_the_page_on_roles_and_what_takes_its_place(tmp_path: Path) -> None:
    role, rules = defined_in("add-a-role.md")["ROLE"], defined_in("add-a-role.md", 1)
    assert isinstance(role, Role)
    chopper = role.declare(name="c1", speed_hz=28.0)
    assert chopper.command == ("chopperd", "--brokers", "${broker.kafka}", "--topic", "tb_chopper_speed", "--hz", "28.0")

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chopperd").touch()
    theirs: Service = rules["local_build"](chopper, tmp_path)
    assert theirs.command == (f"{tmp_path}/bin/chopperd", *chopper.command[1:])
    assert rules["external"](chopper, "host:1").endpoints == {"tcp": "host:1"}
