"""Examination of private networks, made without root."""

import subprocess
from pathlib import Path

from testbeam.doctor.finding import Finding, good, limited

_SETTINGS = {  # what forbids it, and how it is allowed
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    "/proc/sys/user/max_user_namespaces": ("0", "sudo sysctl user.max_user_namespaces=15000"),
}
_ARGV = ("unshare", "--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up")


def look() -> Finding:
    """Make one."""
    try:
        done = subprocess.run(_ARGV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4.0, check=False)
    except FileNotFoundError:
        return limited("unshare is not installed; ports and 127.x.y.z addresses are used", "sudo apt-get install -y util-linux iproute2")
    settings = {path: Path(path).read_text().strip() for path in _SETTINGS if Path(path).exists()}
    return judge(done.returncode, done.stderr.strip(), settings)


def judge(code: int, said: str, settings: dict[str, str]) -> Finding:
    """Say why it is forbidden, if it is; without them a stack uses held ports and leased addresses, and loses nothing else."""
    if code == 0:
        return good("user and network namespaces are allowed")
    cause = next((remedy for path, (forbidding, remedy) in _SETTINGS.items() if settings.get(path) == forbidding), "")
    why = said.splitlines()[-1] if said else f"unshare ended with code {code}"
    return limited(
        f"user and network namespaces are refused ({why}); ports and 127.x.y.z addresses are used",
        cause or "if this is a container, run it with --security-opt seccomp=unconfined, or on the machine itself",
    )
