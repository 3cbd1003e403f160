"""The public names: what each face offers, that it can be had, and that documents use nothing else."""

import ast
import importlib
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "testbeam"

NAMES = {
    "testbeam": """
        AuditError BrokerHandle ControlError ControlHandle ConversionError Declaration DeviceError FetchError FileWriterHandle
        ForwarderHandle Handle IocHandle JobFailed JobRefused LimitError LivedataHandle NexusError NotReady Port PortTaken Probe ProbeResult
        ProtocolError PvMissing PvaServerHandle RecordingError Replacement Role Run ScriptFailed Service ServiceDied ServiceView
        SettingsError
        SetupError Stack StackError TestbeamError TopicMissing TopicSpec Topics TransportError WaitTimeout WireError WorkflowError
        broker control
        control_parts control_stack event_source fake_detectors fake_logdata fake_monitors filewriter
        forwarder ioc livedata load pva_server reference replaced
    """,
    "testbeam.clients.livedata": """
        DashboardBackend DataKey DataService JobId JobService LiveDataAddress LiveResult ResultKey ServiceGroup ServiceProcess WaitTimeout
        WorkflowController WorkflowId collect_updates using wait_for_backend_condition wait_for_condition wait_for_data
        wait_for_job_data wait_for_job_status
    """,
    "testbeam.clients": """
        Client DeviceReference FileWriterClient ForwarderClient ForwarderStatus Job JobState Kafka Mark Protocol PvHandle Record
        StreamSpec Tail TopicHandle collect_updates open_client retry subtest wait_for_condition Alarm ConnectionChange Events LogValue
    """,
    "testbeam.probes": """
        AllOf CaAnswers CommandSucceeds FileExists Heartbeat HttpAnswers LogLine MetadataAnswers PortListens ProcessAlive TopicGrows all_of
    """,
    "testbeam.devices": "AreaDetector Chopper Device Motor PowerSupply TemperatureController command",
    "testbeam.faults": "Between Choice FaultMachine Planned RandomFaults Schedule Step break_at_random play random_schedule",
    "testbeam.nexus": """
        Attribute Dataset Group Link Stream dataset group link log nexus_structure opened parse stream streams walk
    """,
    "testbeam.audit": "AuditResult Finding Job Leeway StreamCount audit find_job report",
    "testbeam.kafkatools": "Lag Latency Measurement Names Recorded Replayed Span measure record replay",
}
FOR_AUTHORS = {"testbeam.simulators.devices": "Device command", "testbeam.pytest_plugin": "shared_run"}  # of simulators and suites
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.py"))]


def python_of(document: Path) -> list[str]:
    text = document.read_text()
    return [text] if document.suffix == ".py" else re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def file_of(face: str) -> Path:
    base = ROOT / "src" / Path(*face.split("."))
    return next(file for file in (base.with_suffix(".py"), base / "__init__.py") if file.exists())


@pytest.mark.parametrize("face", NAMES)
def test_a_face_offers_these_names_and_each_can_be_had(face: str) -> None:
    module = importlib.import_module(face)

    assert sorted(module.__all__) == sorted(NAMES[face].split())
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{face}' has no attribute 'nonsense'"):
        _ = module.nonsense


@pytest.mark.parametrize("face", NAMES)
def test_type_checkers_see_the_names_that_are_there_at_run_time(face: str) -> None:
    tree = ast.parse(file_of(face).read_text())
    (seen,) = (one for one in tree.body if isinstance(one, ast.If))
    imports = [one for one in seen.body if isinstance(one, ast.ImportFrom)]
    module = importlib.import_module(face)

    assert sorted(alias.asname or "" for one in imports for alias in one.names) == sorted(module.__all__)
    for one in imports:
        for alias in one.names:
            assert getattr(importlib.import_module(f"{one.module}"), alias.name, None) is not None or alias.name == "reference"


def test_nothing_in_the_package_imports_the_public_names() -> None:
    offenders = [
        f"{file.relative_to(SOURCE)}:{one.lineno}"
        for file in SOURCE.rglob("*.py")
        for one in ast.walk(ast.parse(file.read_text()))
        if isinstance(one, ast.ImportFrom) and one.module in ("testbeam", "testbeam.devices", "testbeam.faults", "testbeam.probes")
    ]

    assert offenders == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_import_public_names_only(document: Path) -> None:
    wrong = []
    for block in python_of(document):
        for one in ast.walk(ast.parse(block)):
            if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("testbeam"):
                known = (NAMES | FOR_AUTHORS).get(one.module or "", "").split()
                wrong += [f"from {one.module} import {alias.name}" for alias in one.names if alias.name not in known]
            elif isinstance(one, ast.Import):
                wrong += [alias.name for alias in one.names if alias.name.startswith("testbeam") and alias.name not in NAMES]

    assert wrong == []


def test_the_reference_page_has_every_name_as_it_is_in_the_code() -> None:
    spec = spec_from_file_location("python_api", ROOT / "docs" / "python_api.py")
    assert spec is not None
    assert spec.loader is not None
    python_api = module_from_spec(spec)
    spec.loader.exec_module(python_api)

    def names_and_signatures(text: str) -> list[str]:
        return re.findall(r"^##.*$|^```py$.*?^```$|^- `[^`]+`", text, re.MULTILINE | re.DOTALL)

    written = names_and_signatures(python_api.PAGE.read_text())
    assert names_and_signatures(python_api.page()) == written, "write it anew: python docs/python_api.py"
    assert sorted(python_api.FACES) == sorted(NAMES)
