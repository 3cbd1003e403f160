"""Users of the daemon and their rights; passwords are kept as hashes and never told."""

import base64
import hashlib
import hmac
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbeam.errors import SettingsError
from testbeam.services.control.setups.declared import Setup
from testbeam.wire.nicos.daemon_words import UserLevel

_LIST = "nicos.services.daemon.auth.list.Authenticator"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has logged in."""

    name: str
    level: UserLevel


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the hash of a password; an empty hash is no password."""

    user: User
    hashing: str
    digest: str

    def admits(self, password: str) -> bool:
        """Tell whether a password is right."""
        return not self.digest or hmac.compare_digest(
            _digest(self.hashing, password), self.digest.lower() if self.hashing != "plain" else self.digest
        )


class Users:
    """All accounts."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = {account.user.name: account for account in accounts}

    def __len__(self) -> int:
        return len(self._accounts)

    def log_in(self, name: str, password: str) -> User | None:
        """Return the user, None where name or password are wrong."""
        account = self._accounts.get(name)
        return account.user if account is not None and account.admits(password) else None


def users_of_file(path: Path) -> Users:
    """Return the accounts of a file; raise SettingsError where it can't be read."""
    accounts = []
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SettingsError("passwords", str(path), f"a file that can be read ({error.strerror})") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            fields = line.split()
            if len(fields) != 4 or fields[2] not in ("md5", "sha1", "sha256", "plain"):
                raise SettingsError("passwords", f"{path}, line {number}", "NAME LEVEL HASHING HASH, HASHING md5, sha1, sha256 or plain")
            accounts.append(Account(User(fields[0], _level(fields[1])), fields[2], fields[3]))
    return Users(accounts)


def users_of_setups(setups: Mapping[str, Setup]) -> Users:
    """Return the accounts of the setup `daemon`; authenticators of kinds that are not known are told of."""
    daemon = setups.get("daemon")
    accounts: list[Account] = []
    for name, config in (daemon.devices if daemon is not None else {}).items():
        if config is not None and config.class_name == _LIST:
            hashing = str(config.parameters.get("hashing", "sha1"))
            accounts += [_account(hashing, entry) for entry in config.parameters.get("passwd", ())]
        elif config is not None and ".auth." in config.class_name:
            _log.warning("authenticator %s of class %s is not known to testbeam; its users can't log in", name, config.class_name)
    return Users(accounts)


class LoginKey:
    """The key that clients encrypt passwords with, made while the daemon starts; without the library passwords come plain.

    It keeps passwords from a casual look only, as the protocol has it: off loopback, put a tunnel around the daemon.
    """

    def __init__(self, bits: int = 512) -> None:
        self._key: Any = None
        self._public = ""
        self._made = threading.Event()
        threading.Thread(target=self._make, args=(bits,), name="login-key", daemon=True).start()

    @property
    def banner(self) -> dict[str, Any]:
        """Return what the banner says of passwords."""
        self._made.wait(10)
        return {"pw_hashing": "rsa,plain" if self._key is not None else "plain", "rsakey": self._public or None}

    def decrypted(self, password: str) -> str:
        """Return a password as it was typed; "" where it can't be decrypted."""
        if not password.startswith("RSA:"):
            return password
        if self._key is None:
            return ""
        import rsa

        try:
            return rsa.decrypt(base64.b64decode(password[4:]), self._key).decode()
        except (rsa.DecryptionError, ValueError):
            return ""

    def _make(self, bits: int) -> None:
        try:
            import rsa

            public, self._key = rsa.newkeys(bits)
            self._public = base64.b64encode(public.save_pkcs1()).decode()
        except ImportError:
            _log.debug("the package rsa is not installed: passwords come plain")
        finally:
            self._made.set()


def _account(hashing: str, entry: Any) -> Account:
    try:
        name, digest, level = entry
    except (TypeError, ValueError):
        raise SettingsError("passwd", "an entry of the setup daemon", '("name", "hash", "level")') from None
    return Account(User(str(name), _level(str(level))), hashing, str(digest))


def _level(word: str) -> UserLevel:
    if word.upper() not in UserLevel.__members__:
        raise SettingsError("level", word, "guest, user or admin")
    return UserLevel[word.upper()]


def _digest(hashing: str, password: str) -> str:
    return password if hashing == "plain" else hashlib.new(hashing, password.encode(), usedforsecurity=False).hexdigest()
