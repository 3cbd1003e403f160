import pytest

from testbeam.errors import SettingsError
from testbeam.runtime.settings import parse
from testbeam.services.ioc.counting import counting_records
from testbeam.services.ioc.databases import unbalanced
from testbeam.services.ioc.settings import IocSettings
from testbeam.services.ioc.sockets import check_loopback


def test_databases_and_macros_may_be_given_more_than_once() -> None:
    settings = parse(IocSettings, "ioc", ["--db", "a.db", "--db", "b.db,P=B:", "--macro", "P=A:", "--address", "127.0.5.3"])

    assert settings.db == ("a.db", "b.db,P=B:")
    assert settings.macro == ("P=A:",)
    assert settings.address == "127.0.5.3"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.3.9"])
def test_loopback_addresses_are_accepted(address: str) -> None:
    check_loopback("--address", address)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "localhost", "127.1", "::1", ""])
def test_an_address_that_other_machines_might_reach_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"--peer.*loopback address such as 127\.0\.5\.3"):
        check_loopback("--peer", address)


def test_counting_records_are_as_many_as_asked_for_each_with_its_own_name() -> None:
    text = counting_records(3)

    assert [f'"$(P=)COUNT-{number}"' in text for number in range(4)] == [True, True, True, False]
    assert unbalanced(text) is None
