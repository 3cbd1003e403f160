"""Setups: what they name is there, and what can't be loaded is said by name."""

import pytest

from testbeam.clients.control import Client
from testbeam.errors import ScriptFailed


def test_new_setup_makes_the_devices_that_it_names(client: Client) -> None:
    names = client.eval("sorted(session._setup_info['epics_basic']['devices'])")

    assert {"SmokeBasicMoveable", "SmokeBasicReadable"} <= set(names) <= set(client.eval("list(session.devices)"))
    assert {"system", "epics_basic", "detector"} <= set(client.getstatus()["setups"][0])


def test_a_setup_that_is_not_there_fails_and_is_named(client: Client) -> None:
    with pytest.raises(ScriptFailed, match="no_such_setup"):
        client.AddSetup("no_such_setup")

    assert client.read("SmokeBasicReadable") == pytest.approx(1.23)


def test_add_setup_keeps_what_is_loaded(client: Client) -> None:
    client.AddSetup("virtual", timeout=30)

    assert "VirtualX" in client.eval("list(session.devices)")
    assert client.read("SmokeBasicReadable") == pytest.approx(1.23)
    client.RemoveSetup("virtual", timeout=60)
    assert "VirtualX" not in client.eval("list(session.devices)")


def test_an_alias_stands_for_its_device(client: Client) -> None:
    assert client.eval("NexusStructure.alias") == "NexusStructure_Basic"


def test_devices_have_the_classes_that_clients_ask_for(client: Client) -> None:
    moveables = client.eval("[n for n, d in session.devices.items() if 'nicos.core.device.Moveable' in d.classes]")

    assert "SmokeBasicMoveable" in moveables
    assert "SmokeBasicReadable" not in moveables
