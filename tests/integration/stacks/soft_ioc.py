"""A compiled IOC as EPICS' own tools make them, on the libraries of the wheels: runs an st.cmd, then a shell on its input.

Its shell ends with its input, and the IOC with its shell. Used as the program in the first line of an st.cmd.
"""

import ctypes
import sys

from testbeam.services.ioc.base import Base

if __name__ == "__main__":
    base = Base.load()
    shell = base._com.iocsh
    shell.argtypes = [ctypes.c_char_p]
    if shell(sys.argv[1].encode()) != 0:
        sys.exit(1)
    shell(None)
    base.exit()
