import subprocess
import sys

from testbeam.stacks.fingerprint import fingerprint
from testbeam.stacks.reference import light_chain


def test_another_process_gives_the_same() -> None:
    program = (
        "from testbeam.stacks.reference import light_chain as c\nfrom testbeam.stacks.fingerprint import fingerprint as f\nprint(f(c()))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})

    assert other.stdout.strip() == fingerprint(light_chain())
