"""The pictures of README are small, end with the verdict, and say nothing of the machine that they were made on."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

PICTURES = Path(__file__).parents[3] / "docs/pictures"


def test_they_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in PICTURES.iterdir() if file.suffix in (".svg", ".png")}

    assert set(sizes) >= {"smoke.svg", "report.png"}
    assert {name: size for name, size in sizes.items() if size > 300_000} == {}


def test_the_terminal_rests_on_the_verdict() -> None:
    text = (PICTURES / "smoke.svg").read_text(encoding="utf-8")
    picture = ET.fromstring(text)
    lines = {
        group.attrib["id"]: "".join(group.itertext()) for group in picture.iter("{http://www.w3.org/2000/svg}g") if "id" in group.attrib
    }
    frames = [group for group in picture if group.tag.endswith("}g")]
    last = [lines[use.attrib["href"][1:]] for use in frames[-1] if use.tag.endswith("}use")]

    assert len(frames) > 10
    assert [frame.attrib.get("visibility", "") for frame in frames] == ["hidden"] * (len(frames) - 1) + [""]
    assert any("Nothing lost" in line for line in last)
    assert re.findall(r"(?<![\w~/.])/(?:root|home|tmp|work)\b", text) == []
