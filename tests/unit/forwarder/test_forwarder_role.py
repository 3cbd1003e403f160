from collections.abc import Callable

import pytest

from testbeam.errors import StackError
from testbeam.kit.spec import Service
from testbeam.stacks.roles.event_source.declaration import event_source
from testbeam.stacks.roles.filewriter.declaration import filewriter
from testbeam.stacks.roles.forwarder.declaration import forwarder
from testbeam.stacks.roles.ioc.declaration import ioc

INI = "config-files/${name}.ini"


def test_its_file_goes_by_the_name_that_the_run_gives_it() -> None:
    service = forwarder(iocs=(), ini={"status-interval": 500})

    assert set(service.files) == {INI}
    assert service.files[INI].startswith("[${name}]\n")
    assert service.command[service.command.index("-c") + 1] == f"${{run_dir}}/{INI}"


def test_it_may_be_configured_otherwise_and_keeps_the_rest() -> None:
    service = forwarder(iocs=(), ini={"status-interval": 500}).configured(ini={"fake-pv-period": 7}, name="other")

    assert set(service.files) == {INI}
    assert {"status-interval=500", "fake-pv-period=7"} <= set(service.files[INI].splitlines())


def test_an_unknown_word_of_configuration_is_refused_with_those_there_are() -> None:
    with pytest.raises(StackError, match=r"'forwarder' can't be configured by nonsense; a forwarder takes ini"):
        forwarder().configured(nonsense=1)


@pytest.mark.parametrize("role", [forwarder, filewriter, event_source, ioc])
def test_no_role_writes_down_its_name_since_the_run_may_give_it_another(role: Callable[..., Service]) -> None:
    service = role(name="unmistakable")

    told = (*service.command, *service.env.values(), *service.files, *service.files.values(), *service.endpoints.values())

    assert not [text for text in told if "unmistakable" in text]
