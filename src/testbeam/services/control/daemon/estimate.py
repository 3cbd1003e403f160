"""Estimate of when a script ends: a dry run of it beside, a moment after it has begun.

Only a script of commands, devices and plain loops is run dry without being asked: whatever else Python can do would be done twice.
"""

import ast
import threading
import time
from collections.abc import Callable, Container, Sequence

from testbeam.wire.nicos.daemon_words import EtaState

_WAIT_S = 1.0  # a script that is over by then needs no estimate
_BUILT_IN = frozenset({"range", "len", "abs", "min", "max", "round", "int", "float", "str", "list", "tuple", "enumerate", "zip"})
_HARMLESS = (
    *(ast.Expr, ast.Assign, ast.For, ast.If, ast.With, ast.withitem, ast.Pass, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Store),
    *(ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Starred, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.JoinedStr, ast.FormattedValue),
)
Eta = tuple[int, float]  # state, time of the end (s since 1970)


def is_harmless(statements: Sequence[ast.stmt], commands: Container[str]) -> bool:
    """Tell whether a script does nothing but give commands, in plain loops and with plain values."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if not isinstance(node, _HARMLESS):
            return False
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and (node.func.id in commands or node.func.id in _BUILT_IN)):
            return False
    return True


class Estimator:
    """Estimates the script of now; `tell` is called with each new estimate."""

    def __init__(self, tell: Callable[[Eta], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._number = 0
        self.eta: Eta = (int(EtaState.PENDING), 0.0)

    def begin(self, seconds: Callable[[], float | None]) -> None:
        """Estimate the script that has begun, in a thread of its own; `seconds` says how long it takes, None where that is unknown."""
        self.end()
        timer = threading.Timer(_WAIT_S, self._estimate, (self._number, time.time(), seconds))
        timer.daemon = True
        timer.start()

    def end(self) -> None:
        """Forget the estimate: the script is over."""
        with self._lock:
            self._number += 1
            self.eta = (int(EtaState.PENDING), 0.0)

    def _estimate(self, number: int, began_s: float, seconds: Callable[[], float | None]) -> None:
        if self._set(number, (int(EtaState.RUNNING), 0.0)):
            found = seconds()
            known = found is not None and found >= 0
            self._set(number, (int(EtaState.SUCCESS), began_s + (found or 0.0)) if known else (int(EtaState.FAILED), 0.0))

    def _set(self, number: int, eta: Eta) -> bool:
        """Take over an estimate; return whether the script is still the same."""
        with self._lock:
            if number != self._number:
                return False
            self.eta = eta
        self._tell(eta)
        return True
