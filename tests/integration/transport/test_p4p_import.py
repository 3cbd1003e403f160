import subprocess
import sys

PROGRAM = """
import sys
from testbeam.transport.pva.p4p_import import without_setuptools
with without_setuptools():
    from p4p.client.raw import Context
assert "setuptools" not in sys.modules, "p4p brought setuptools along"
assert "setuptools_dso" not in sys.modules, "the stand-in was left behind"
import setuptools_dso
assert setuptools_dso.setup
"""


def test_p4p_is_imported_without_setuptools_and_its_package_can_still_be_had() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
