"""Examination of the files that a process may open."""

import resource

from testbeam.doctor.finding import Finding, good, lacking, limited

ENOUGH = 1024
LEAST = 256


def look() -> Finding:
    """Ask for the limits."""
    return judge(*resource.getrlimit(resource.RLIMIT_NOFILE))


def judge(soft: int, hard: int) -> Finding:
    """Say whether the soft limit will do (-1 is none), and how it could be raised."""
    detail = f"{_words(soft)}, can be raised to {_words(hard)}"
    if soft == resource.RLIM_INFINITY or soft >= ENOUGH:
        return good(detail)
    by_oneself = hard == resource.RLIM_INFINITY or hard >= ENOUGH
    remedy = (
        f"ulimit -n {ENOUGH * 4 if hard in (-1,) or hard >= ENOUGH * 4 else hard}"
        if by_oneself
        else "raise nofile in /etc/security/limits.conf"
    )
    return limited(detail, remedy) if soft >= LEAST else lacking(detail, remedy)


def _words(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else f"{limit} files"
