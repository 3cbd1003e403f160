"""An answer that nobody waited for is never taken for that to another word, however its wait was broken off."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from testbeam.errors import StackError, WireError
from testbeam.hosting.channel import Channel, HostGone
from testbeam.hosting.run_control import Answer, Lines, decode_request, encode_answer, refusal


class FakeHolder:
    """Answers each word by itself, `add` only once it may; an unknown one by its refusal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard = threading.Event()
        self.may_answer = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listening.close()

    def _serve(self) -> None:
        lines = Lines()
        with suppress(OSError):
            visitor, _ = self._listening.accept()
            with visitor:
                while data := visitor.recv(1 << 16):
                    for line in lines.feed(data):
                        visitor.sendall(encode_answer(self._answer(line)))

    def _answer(self, line: bytes) -> Answer:
        try:
            word = decode_request(line).word
        except WireError as error:
            return refusal(error)
        if word in {"add", "start"}:
            self.heard.set()
            self.may_answer.wait(60)
        return refusal(StackError("it did not start")) if word == "start" else Answer(value=word)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[FakeHolder]:
    """Return a holder that one channel may talk to."""
    holder = FakeHolder(tmp_path / "s")
    yield holder
    holder.close()


@pytest.mark.parametrize(("word", "data"), [("add", {"declaration": {}}), ("start", {"service": "one"})])
def test_an_answer_that_comes_after_the_time_out_is_not_read_as_that_to_the_next_word(
    holder: FakeHolder, word: str, data: dict[str, object]
) -> None:
    with Channel(holder.path, answer_s=0.05) as channel:
        with pytest.raises(HostGone, match="timed out"):
            channel.ask(word, **data)
        channel._socket.settimeout(60)
        holder.may_answer.set()

        assert channel.ask("describe") == "describe"
        assert channel.ask("end") == "end"


def test_a_wait_that_is_interrupted_again_and_again_leaves_the_answers_in_order(holder: FakeHolder) -> None:
    with Channel(holder.path, answer_s=0.05) as channel:
        for _ in range(3):
            with pytest.raises(HostGone):
                channel.ask("add", declaration={})
        channel._socket.settimeout(60)
        holder.may_answer.set()

        assert channel.ask("describe") == "describe"


def test_a_word_that_was_cut_off_by_an_interrupt_does_not_spoil_the_next(holder: FakeHolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with Channel(holder.path) as channel:

        def cut_off(line: bytes) -> None:
            channel._socket.sendall(line[: len(line) // 2])
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(channel, "_send", cut_off)
            with pytest.raises(KeyboardInterrupt):
                channel.ask("add", declaration={})

        assert channel.ask("describe") == "describe"


def test_ctrl_c_in_a_wait_leaves_the_channel_as_good_as_it_was(holder: FakeHolder) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in workers of pytest-xdist
    try:
        with Channel(holder.path, answer_s=10) as channel:
            interrupting = threading.Thread(target=_interrupt, args=(holder.heard,))
            interrupting.start()
            with pytest.raises(KeyboardInterrupt):
                channel.ask("add", declaration={})
            interrupting.join(60)
            holder.may_answer.set()

            assert channel.ask("describe") == "describe"
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(heard: threading.Event) -> None:
    """Press Ctrl-C once the holder has heard the word."""
    heard.wait(60)
    identity = threading.main_thread().ident
    assert identity is not None
    signal.pthread_kill(identity, signal.SIGINT)
