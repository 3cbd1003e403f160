import os
from pathlib import Path

from testbeam.services.ioc.capture import captured_stderr


def test_what_c_code_prints_goes_on_edited_and_without_colours_where_no_terminal_is(tmp_path: Path) -> None:
    kept = os.dup(2)
    with (tmp_path / "log").open("wb") as log:
        os.dup2(log.fileno(), 2)
        try:
            with captured_stderr(lambda text: text.replace("noise\n", "")) as output:
                os.write(2, b"noise\n\x1b[31;1mERROR\x1b[0m: \xff\n")
        finally:
            os.dup2(kept, 2)
            os.close(kept)

    assert (tmp_path / "log").read_bytes() == b"ERROR: \xff\n"
    assert output.text == "noise\n\x1b[31;1mERROR\x1b[0m: \ufffd\n"
