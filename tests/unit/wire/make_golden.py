"""Write the golden messages anew, by the library: `python -m tests.unit.wire.make_golden` from the top of the repository."""

from tests.unit.wire.library import LIBRARY
from tests.unit.wire.values import GOLDEN, GOLDEN_FOLDER


def main() -> None:
    """Write one file a schema."""
    GOLDEN_FOLDER.mkdir(exist_ok=True)
    for schema, value in GOLDEN.items():
        (GOLDEN_FOLDER / f"{schema}.bin").write_bytes(LIBRARY[schema].encode(value))


if __name__ == "__main__":
    main()
