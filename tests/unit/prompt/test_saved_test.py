import ast

import pytest

from testbeam.cli.prompt.names import service_names
from testbeam.cli.prompt.saved_test import Session, test_file
from testbeam.errors import SettingsError

SERVICES = service_names(["broker", "ioc", "filewriter-2"])


def saved(*cells: str, file: str = "") -> str:
    return test_file("volt", Session(cells=cells, services=SERVICES, file=file))


def test_names_become_fixtures_services_and_imports_and_no_more_than_are_used() -> None:
    text = saved(
        "motion = topic('motion')\n",
        "ioc.pv('VOLT').put(4)\n",
        "wait_for_condition(lambda: motion.count())\n",
        "log('a', topic=motion.name, source='b')",
    )

    assert (
        text
        == '''"""Saved from a prompt: `testbeam shell`."""

from testbeam.clients.waiting import wait_for_condition
from testbeam.nexus.compose import log


def test_volt(run, topic):
    ioc = run["ioc"]
    motion = topic('motion')
    ioc.pv('VOLT').put(4)
    wait_for_condition(lambda: motion.count())
    log('a', topic=motion.name, source='b')
'''
    )


def test_a_service_whose_name_python_can_not_have_goes_by_one_that_it_can() -> None:
    assert '    filewriter_2 = run["filewriter-2"]\n' in saved("filewriter_2.pause()")


def test_a_stack_of_a_file_is_declared_by_that_file() -> None:
    text = saved("run.check()", file="/here/testbeam.toml")

    assert "def stack():\n    return declared('/here/testbeam.toml').stack\n" in text
    assert "import pytest\n\nfrom testbeam.stacks.toml.file import declared\n" in text


def test_a_text_of_several_lines_is_kept_as_it_is() -> None:
    cell = 'text = """a\n  b\n"""\n'

    function = ast.parse(saved(cell)).body[-1]

    assert isinstance(function, ast.FunctionDef)
    assert ast.dump(function.body[0]) == ast.dump(ast.parse(cell).body[0])


def test_comments_and_blocks_are_kept() -> None:
    assert "    # why\n    for i in range(2):\n        print(i)\n" in saved("# why\nfor i in range(2):\n    print(i)\n")


def test_a_name_that_is_bound_anew_may_be_used_before() -> None:
    text = saved("log = log('a', topic='t', source='s')", "topic = topic('x')", "print(log, topic)")

    assert "def test_volt(topic):\n    from testbeam.nexus.compose import log\n    log = log(" in text


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("print(_)", "'_' can't be used.*only a prompt has"),
        ("print(Out[3])", "'Out'.*only a prompt has"),
        ("print(missing)", "'missing'.*a line that failed"),
        ("from os import *", r"lines that a function can have"),
    ],
)
def test_what_a_test_can_not_have_is_refused_with_the_reason(cell: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        saved(cell)


@pytest.mark.parametrize("name", ["", "a b", "1st", "../x"])
def test_a_name_that_is_no_functions_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="as in a function's name"):
        test_file(name, Session(cells=["1"], services={}))


def test_nothing_to_save_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no line has gone well"):
        saved()
