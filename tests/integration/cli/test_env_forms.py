import json
import subprocess

import pytest

from testbeam.cli.variables import as_json, for_dotenv, for_github, for_shell

VARIABLES = {"PLAIN": "127.0.0.1:9092", "LIST": "127.1.1.1 127.1.1.2", "EMPTY": "", "ODD": '/tmp/it\'s $HOME "x" `id` \\n ü'}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_shell_evaluates_the_lines_to_the_values(name: str) -> None:
    script = f'{for_shell(VARIABLES)}\nprintf %s "${name}"'

    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode() == VARIABLES[name]


def test_json_has_the_values_as_they_are() -> None:
    assert json.loads(as_json(VARIABLES)) == VARIABLES


def test_a_dotenv_file_quotes_what_would_be_read_otherwise() -> None:
    lines = for_dotenv(VARIABLES).splitlines()

    assert lines[:3] == ['PLAIN="127.0.0.1:9092"', 'LIST="127.1.1.1 127.1.1.2"', 'EMPTY=""']
    assert lines[3] == 'ODD="/tmp/it\'s \\$HOME \\"x\\" \\`id\\` \\\\n ü"'


def test_github_takes_the_rest_of_each_line() -> None:
    assert for_github(VARIABLES).splitlines()[1] == "LIST=127.1.1.1 127.1.1.2"
