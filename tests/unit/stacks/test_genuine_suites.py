"""Stacks for the facility's own suites, and the start-up hook that keeps the file-writer double of one of them idle."""

import runpy
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbeam.model.agreed import LIVEDATA_READY, PULSES_BEGIN
from testbeam.runtime.settings import parse as settings_from
from testbeam.services.filewriter.settings import FileWriterSettings
from testbeam.services.livedata.settings import LivedataSettings
from testbeam.simulators.fake_monitors.service import Settings as FakeMonitorsSettings
from testbeam.stacks.toml.file import load

FOLDER = Path(__file__).parents[3] / "examples" / "genuine_suites"
FILES = sorted(FOLDER.glob("*/*.toml"))
HOOK = FOLDER / "nicos" / "no_double" / "sitecustomize.py"
PLUGIN = FOLDER / "esslivedata" / "our_services" / "testbeam_in_place.py"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_each_is_a_stack_with_a_broker(file: Path) -> None:
    assert "broker" in {service.role for service in load(file).stack.services}


def test_the_writer_for_nicos_answers_as_its_double_and_makes_folders(tmp_path: Path) -> None:
    services = {service.role: service for service in load(FOLDER / "nicos" / "with_our_filewriter.toml").stack.services}
    (text,) = services["filewriter"].files.values()
    ini = tmp_path / "filewriter.ini"
    ini.write_text(text)

    settings = settings_from(FileWriterSettings, "filewriter", ["-c", str(ini)])

    assert (settings.service_id, settings.make_folders) == ("nicos-smoke-filewriter-double", True)
    assert (settings.job_pool_topic, settings.command_status_topic) == ("test_smoke_filewriter_pool", "test_smoke_filewriter_status")


@pytest.mark.parametrize(
    ("command", "pauses"),
    [
        (["python", "-m", "integration_test.doubles.filewriter", "--bootstrap", "127.0.0.1:1"], 1),
        (["python", "-m", "pytest", "integration_test/smoke/test_smoke.py"], 0),
        (["python", "bin/nicos-daemon", "-S", "daemon"], 0),
    ],
)
def test_the_hook_keeps_only_the_double_idle(command: list[str], pauses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[None] = []
    monkeypatch.setattr(signal, "pause", lambda: seen.append(None))
    monkeypatch.setattr(sys, "orig_argv", command)

    runpy.run_path(str(HOOK))

    assert len(seen) == pauses


def test_the_plugin_starts_our_programs_with_options_they_have_and_waits_for_what_they_say() -> None:
    plugin = runpy.run_path(str(PLUGIN))
    fake = SimpleNamespace(
        service_module="ess.livedata.services.fake_monitors", kwargs={"instrument": "dummy", "mode": "ev44", "num_monitors": 1}
    )
    service = SimpleNamespace(service_module="ess.livedata.services.monitor_data", kwargs={"instrument": "dummy", "dev": True})
    words, fake_words = plugin["command"](service), plugin["command"](fake)

    assert words[1:3] == ["-m", "testbeam.services.livedata"]
    assert settings_from(LivedataSettings, "livedata", words[3:]).service == ("monitor_data",)
    fakes = settings_from(FakeMonitorsSettings, "fake-monitors", fake_words[3:])
    assert (fakes.mode, fakes.num_monitors) == ("ev44", 1)
    assert (plugin["ready"](fake), plugin["ready"](service)) == ([PULSES_BEGIN], [LIVEDATA_READY])
