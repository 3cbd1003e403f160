"""The pictures of README and documentation, made from one real run of `make smoke`: its terminal as an SVG that plays, its report as a PNG.

`python docs/pictures/make.py`, in an environment with the dependency group `pictures` and with Chromium installed. It takes as long as the
run. This machine's name, kernel and paths are not shown.
"""

import os
import platform
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import ioctl
from html import escape
from itertools import groupby
from pathlib import Path

import pyte
from playwright.sync_api import sync_playwright
from pyte.screens import Char

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COLUMNS, LINES = 100, 50
COMMAND = ("make", "smoke")
FRAME_S = 0.15  # changes nearer to each other than this make one frame

# a cell, in user units of the SVG
CELL_WIDTH, CELL_HEIGHT, MARGIN, BAR = 8.4, 19.0, 16.0, 34.0
COLOURS = {"default": "#d6deeb", "green": "#7fd962", "brown": "#e6b450", "red": "#f07178", "cyan": "#59c2ff", "brightblack": "#7d8799"}
BUTTONS = ("#f07178", "#e6b450", "#7fd962")
STYLE = "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}.b{font-weight:700}"

REPORT_WIDTH, REPORT_HEIGHT = 1180, 1066


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines of the terminal from `at_s` on."""

    at_s: float
    lines: tuple[tuple[Char, ...], ...]


def record(command: tuple[str, ...]) -> Iterator[tuple[float, bytes]]:
    """Run a command on a pseudo-terminal and yield what it writes, each piece with its second.

    Raises:
        SystemExit: the command has failed.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    child = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    begun_s = time.monotonic()
    said = b""
    while data := _read(ours):
        said += data
        yield time.monotonic() - begun_s, data
    if child.wait():
        sys.exit(f"{said.decode(errors='replace')}\n{' '.join(command)} ended with code {child.returncode}")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # EIO: the other end is closed
        return b""


def frames(pieces: Iterator[tuple[float, bytes]]) -> list[Frame]:
    """Return the pictures that a terminal would have shown."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream, decoder = pyte.Stream(screen), getincrementaldecoder("utf-8")()
    stream.feed(f"\x1b[90m$\x1b[0m \x1b[1m{' '.join(COMMAND)}\x1b[0m\r\n")
    found = [Frame(0.0, _lines(screen))]
    for at_s, data in pieces:
        stream.feed(nameless(decoder.decode(data)).replace("\x1b[2m", "\x1b[90m"))  # pyte has no dim
        now = Frame(at_s, _lines(screen))
        if now.lines != found[-1].lines:
            found[-1:] = [found[-1], now] if at_s - found[-1].at_s >= FRAME_S else [Frame(found[-1].at_s, now.lines)]
    return found


def nameless(text: str) -> str:
    """Return a text with other words in the place of this machine's paths, name and kernel."""
    text = text.replace(str(ROOT), "~/testbeam").replace(str(Path.home()), "~")
    text = re.sub("|".join(re.escape(str(ROOT)[:end]) + "…" for end in range(len(str(ROOT)), 1, -1)), "~…", text)  # as a table cuts it
    text = re.sub(rf"\b{re.escape(platform.node())}\b", "beamline", text)
    return text.replace(platform.release(), "").replace("(Linux )", "(Linux)")


def _lines(screen: pyte.Screen) -> tuple[tuple[Char, ...], ...]:
    return tuple(tuple(screen.buffer[row][column] for column in range(COLUMNS)) for row in range(LINES))


def svg(shown: list[Frame]) -> str:
    """Return the frames as one picture that plays once, and rests on the last; a viewer that plays nothing shows that one."""
    used = max(row for one in shown for row, line in enumerate(one.lines) if _text(line)) + 1
    width, height = 2 * MARGIN + COLUMNS * CELL_WIDTH, BAR + used * CELL_HEIGHT + MARGIN
    drawn = {line: f"l{number}" for number, line in enumerate(dict.fromkeys(line for one in shown for line in one.lines if _text(line)))}
    symbols = "".join(f'<g id="{name}">{_runs(line)}</g>' for line, name in drawn.items())
    buttons = "".join(
        f'<circle cx="{20 + 20 * n}" cy="18" r="6" fill="{colour}"/>' for n, colour in enumerate(("#f07178", "#e6b450", "#7fd962"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="Terminal: make smoke">'
        f"<style>{STYLE}</style><defs>{symbols}</defs>"
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="9" fill="#10151f"/>{buttons}'
        + "".join(_frame(one, later, drawn) for one, later in zip(shown, [*shown[1:], None], strict=True))
        + "</svg>\n"
    )


def _frame(one: Frame, later: Frame | None, drawn: dict[tuple[Char, ...], str]) -> str:
    uses = "".join(
        f'<use href="#{drawn[line]}" y="{BAR + (row + 1) * CELL_HEIGHT - 5:g}"/>' for row, line in enumerate(one.lines) if line in drawn
    )
    if later is None:
        return f'<g>{uses}<set attributeName="visibility" to="hidden" begin="0s" end="{one.at_s:.2f}s"/></g>'
    shown = f'<set attributeName="visibility" to="visible" begin="{one.at_s:.2f}s" end="{later.at_s:.2f}s"/>'
    return f'<g visibility="hidden">{uses}{shown}</g>'


def _runs(line: tuple[Char, ...]) -> str:
    """Return a line as pieces of one style each, at their columns: a glyph of another font moves nothing."""
    text, column = "", 0
    for (colour, bold), cells in groupby(line, key=lambda cell: (cell.fg, cell.bold)):
        run = "".join(cell.data for cell in cells)
        for word in re.finditer(r"\S+(?: \S+)*", run):
            x, length = MARGIN + (column + word.start()) * CELL_WIDTH, len(word[0]) * CELL_WIDTH
            heavy = ' class="b"' if bold else ""
            text += (
                f'<text x="{x:.1f}" textLength="{length:.1f}" fill="{COLOURS.get(colour, "#" + colour)}"{heavy}>{escape(word[0])}</text>'
            )
        column += len(run)
    return text


def _text(line: tuple[Char, ...]) -> str:
    return "".join(cell.data for cell in line).strip()


def screenshot(report: Path, picture: Path) -> None:
    """Write the upper part of a report as a PNG."""
    page_text = nameless(report.read_text(encoding="utf-8"))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": REPORT_WIDTH, "height": REPORT_HEIGHT})
        page.set_content(page_text)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    (HERE / "smoke.svg").write_text(svg(frames(record(COMMAND))), encoding="utf-8")
    screenshot(ROOT / "runtime/report.html", HERE / "report.png")
