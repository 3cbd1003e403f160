"""Entry of the IOC program: `python -m testbeam.services.ioc --address 127.0.5.3 --db my.db,P=X:`."""

import sys

from testbeam.runtime.program import run
from testbeam.services.ioc.service import serve
from testbeam.services.ioc.settings import IocSettings

if __name__ == "__main__":
    sys.exit(run("ioc", IocSettings, serve))
