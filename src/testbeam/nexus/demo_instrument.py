"""Instrument that testbeam ships: a 128×128 panel (ids 1…16384 in row order) and a beam monitor, as a nexus_structure fragment.

The geometry is `demo_instrument.json`, beside this file; nothing here needs numpy or HDF5.
"""

import json
from importlib import resources
from string import Template
from typing import Any

DETECTOR_SOURCE = "panel"
MONITOR_SOURCE = "monitor"


def fragment(
    *, detector_topic: str, monitor_topic: str, detector_source: str = DETECTOR_SOURCE, monitor_source: str = MONITOR_SOURCE
) -> dict[str, Any]:
    """Return the NXinstrument node with its two ev44 streams on these topics, to be a child of an NXentry.

    Events go to `instrument/panel/panel_events` and `instrument/monitor/monitor_events`.
    """
    words = {
        "detector_topic": detector_topic,
        "detector_source": detector_source,
        "monitor_topic": monitor_topic,
        "monitor_source": monitor_source,
    }
    text = resources.files(__package__).joinpath("demo_instrument.json").read_text(encoding="utf-8")
    node: dict[str, Any] = json.loads(Template(text).substitute({word: _inside_quotes(value) for word, value in words.items()}))
    return node


def _inside_quotes(value: str) -> str:
    return json.dumps(value)[1:-1]
