"""A prompt inside the machines of a check, with the names that its script sees; its end shuts the machines down."""

import code
import shutil
from pathlib import Path
from typing import Any

from testbeam.driver.driver import Driver
from testbeam.driver.log import TestLog
from testbeam.driver.program import folder_of, network_of
from testbeam.driver.spec import load

_HIDDEN = ("machines_qemu", "machines_nspawn", "vlans")  # for scripts that name them; there are none here
_BANNER = """names: {names}
start_all() starts the machines; test_script() runs the check; Ctrl-D asks, then shuts the machines down
"""


def open_prompt(script: Path) -> None:
    """Open a prompt on a check, with nothing started yet.

    Raises:
        SettingsError: there is no such check.
        StackError: its TOML file is wrong.
    """
    check = load(script)
    with folder_of(check) as folder:
        with network_of(check) as net, Driver(check, log=TestLog(), folder=folder, private=net.private, local=net.local) as driver:
            names = driver.namespace()
            shown = sorted(name for name in names if not name.startswith("_") and name not in _HIDDEN)
            _interact(names, _BANNER.format(names=", ".join(shown)))
        shutil.rmtree(folder, ignore_errors=True)


def _interact(names: dict[str, Any], banner: str) -> None:
    try:
        from IPython.terminal.interactiveshell import TerminalInteractiveShell
    except ImportError:
        code.interact(banner=banner, local=names, exitmsg="")
        return
    prompt: Any = TerminalInteractiveShell.instance(user_ns=dict(names), banner1=banner, confirm_exit=True)
    prompt.show_banner()
    prompt.mainloop()
