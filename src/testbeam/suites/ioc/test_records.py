"""Initial values, metadata, access security, values over a restart, links between IOCs, and PVs found by other address lists."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from testbeam.clients.pvs import PvHandle
from testbeam.errors import PvMissing, TransportError
from testbeam.suites.ioc.conftest import OTHER, PREFIX

Pv = Callable[[str], PvHandle]


def test_initial_values_are_what_the_first_client_sees(pv: Pv) -> None:
    assert pv("A").get() in (1.0, 3.0)
    assert pv("B").get() in (2.0, 4.0)


def test_units_and_choices_are_told(pv: Pv) -> None:
    assert pv("VOLT-RB").read().units == "V"
    assert pv("MODE").read().choices[:2] == ("CV", "CC")


def test_limits_are_told(pv: Pv) -> None:
    assert pv("VOLT.HOPR").get() == 60.0
    assert pv("VOLT-RB.HIHI").get() == 55.0
    assert pv("VOLT-RB.PREC").get() == 3


def test_an_unknown_pv_is_missing(pv: Pv) -> None:
    with pytest.raises((PvMissing, TransportError)):
        pv("NO-SUCH-PV").get(within_s=1.0)


def test_access_security_lets_read_and_refuses_to_write(pv: Pv) -> None:
    assert pv("GUARDED").get() == 3.0
    with pytest.raises(TransportError):
        pv("GUARDED").put(4.0)
    assert pv("GUARDED").get() == 3.0


def test_a_link_to_another_ioc_follows_it_with_its_alarm(run: Any) -> None:
    run["ioc"].pv(f"{PREFIX}VOLT", "ca").put(21.5)
    run["linked"].pv(f"{OTHER}LINKED", "ca").expect(21.5, within_s=20)
    run["ioc"].pv(f"{PREFIX}VOLT", "ca").put(57)
    run["linked"].pv(f"{OTHER}LINKED", "ca").expect(57.0, severity=2, within_s=20)
    run["ioc"].pv(f"{PREFIX}VOLT", "ca").put(1)


def test_values_are_kept_over_a_restart(run: Any) -> None:
    ioc = run["ioc"]
    ioc.pv(f"{PREFIX}KEPT", "ca").put(42.25)
    ioc.pv(f"{PREFIX}INITIAL", "ca").put(99)
    ioc.pv(f"{PREFIX}CURVE", "ca").put([0.1, -2.0, 1e300])
    ioc.pv(f"{PREFIX}REMARK", "ca").put('a "quoted" remark')
    ioc.restart()
    assert ioc.pv(f"{PREFIX}KEPT", "ca").get(within_s=20) == 42.25
    assert ioc.pv(f"{PREFIX}INITIAL", "ca").get() == 99
    assert ioc.pv(f"{PREFIX}CURVE", "ca").get() == [0.1, -2.0, 1e300]
    assert ioc.pv(f"{PREFIX}REMARK", "ca").get() == 'a "quoted" remark'


def test_the_first_set_point_after_a_restart_comes_from_the_device(run: Any) -> None:
    ioc = run["ioc"]
    ioc.pv(f"{PREFIX}VOLT", "ca").put(12.5)
    ioc.restart()
    assert ioc.pv(f"{PREFIX}VOLT", "ca").get(within_s=20) == 12.5


def test_ca_reaches_it_as_the_second_of_an_address_list(run: Any) -> None:
    """As a client does whose first address is that of a gateway which has no such PV."""
    address, _, port = run["ioc"].endpoints["ca"].rpartition(":")
    first = run["linked"].endpoints["ca"]
    environment = {**os.environ, "EPICS_CA_ADDR_LIST": f"{first} {address}:{port}", "EPICS_CA_AUTO_ADDR_LIST": "NO"}
    words = [sys.executable, "-m", "testbeam.driver.tools.caget", "caget", "-t", f"{PREFIX}GUARDED"]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "3"), ended.stderr
