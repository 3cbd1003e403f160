"""Steps of `iocInit` that something is to be done at.

Source: initHooks.h of EPICS base 7.0.10: hooks are called in the thread of `iocInit`; a state is known by its name, as numbers may change.
"""

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_int)

_kept: list[Any] = []  # callbacks that C code has bare pointers to, until the process ends


def add(com: ctypes.CDLL, at: Mapping[bytes, Callable[[], object]]) -> None:
    """Have these functions called at the states of these names; com: libCom."""
    com.initHookName.restype = ctypes.c_char_p

    def announced(state: int) -> None:
        if (act := at.get(com.initHookName(state))) is not None:
            act()

    hook = _HOOK(announced)
    _kept.append(hook)
    com.initHookRegister(hook)
