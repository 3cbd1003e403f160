"""The 0.5 s that `iocInit` sleeps between starting the scan tasks and processing the first records, spared.

The sleep is 2/3 of an IOC's start, and nothing waits for anything in it: since base 3.15 the scan tasks are waited for one by one. It can't
be switched off, so for that one step the entry of libdbCore's procedure linkage table for `epicsThreadSleep` leads to `sched_yield`. Where
the library is not laid out as expected nothing is touched, and the IOC takes its half second.
Source: iocInit.c of EPICS base 7.0.10, iocBuild_2.
"""

import ctypes

from testbeam.services.ioc import init_hooks, procedure_linkage

_BEFORE, _AFTER = b"initHookAfterFinishDevSup", b"initHookAfterScanInit"


def skip(com: ctypes.CDLL, core: ctypes.CDLL) -> bool:
    """Arrange that the next `iocInit` does not sleep; tell whether that could be done.

    com, core: libCom and libdbCore.
    """
    slot = procedure_linkage.slot(core, b"epicsThreadSleep")
    if slot is None:
        return False
    original, spared = slot.value, ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or slot.value

    def lead(address: int) -> None:
        slot.value = address

    init_hooks.add(com, {_BEFORE: lambda: lead(spared), _AFTER: lambda: lead(original)})
    return True
