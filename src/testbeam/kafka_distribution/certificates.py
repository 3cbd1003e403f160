"""Certificate authorities for downloads: the file that the user names, else the system's store, where a facility's own authority is."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "REQUESTS_CA_BUNDLE"
_NAMED_BY = (VARIABLE, "CURL_CA_BUNDLE")  # what requests itself looks for; else it uses certifi's list, which knows no facility
_SYSTEM_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def authorities() -> str:
    """Return the file of authorities that downloads trust: the one that is named, else the system's; "" where there is none."""
    named = next((os.environ[name] for name in _NAMED_BY if os.environ.get(name)), "")
    found = (ssl.get_default_verify_paths().cafile, *_SYSTEM_STORES)  # the first heeds SSL_CERT_FILE
    return named or next((path for path in found if path and Path(path).is_file()), "")


@contextmanager
def trusted() -> Iterator[None]:
    """Have downloads of the block trust `authorities()`."""
    before, file = os.environ.get(VARIABLE), authorities()
    if file:
        os.environ[VARIABLE] = file
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
