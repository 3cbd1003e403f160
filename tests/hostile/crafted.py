"""Messages made to hurt one schema's reader: bombs of length and aliases, unions without sense, unknown enums."""

import struct
from collections.abc import Iterator

from tests.hostile.anatomy import Anatomy
from tests.hostile.structures import Case


def crafted(golden: dict[str, bytes]) -> Iterator[Case]:
    """Yield the hostile messages of single schemas, made from valid ones."""
    yield from _f144(Anatomy(golden["f144"]))
    yield from _ev44(Anatomy(golden["ev44"]))
    yield from _unknown_members(golden)
    yield from _fc00()
    yield from _da00(Anatomy(golden["da00"]))
    yield from _ad00(Anatomy(golden["ad00"]))
    yield from _f142(Anatomy(golden["f142"]))
    yield from _series(golden)
    yield from _histograms(golden)
    yield from _ndar(Anatomy(golden["NDAr"]))


def _f144(anatomy: Anatomy) -> Iterator[Case]:
    kind, value = anatomy.cell(2), anatomy.cell(3)
    yield "f144: value of unknown type 21", anatomy.with_u8(kind, 21)
    yield "f144: value of unknown type 255", anatomy.with_u8(kind, 255)
    yield "f144: value of type 0", anatomy.with_u8(kind, 0)
    yield "f144: type without a value", anatomy.with_u16(anatomy.entry(3), 0)
    yield "f144: value without a type", anatomy.with_u16(anatomy.entry(2), 0)
    neither = Anatomy(anatomy.with_u16(anatomy.entry(2), 0))
    yield "f144: neither type nor value", neither.with_u16(anatomy.entry(3), 0)
    yield "f144: double taken for an array", anatomy.with_u8(kind, 20)
    yield "f144: value is the name", anatomy.with_u32(value, anatomy.target(0) - value)
    inner = Anatomy(anatomy.message, anatomy.target(3))
    yield "f144: double beyond its table", Anatomy(anatomy.message).with_u16(inner.vtable + 2, 6)
    yield "f144: vtable of the value over its table", anatomy.with_u32(inner.table, 0)


def _f142(anatomy: Anatomy) -> Iterator[Case]:
    kind = anatomy.cell(1)
    yield "f142: value of unknown type 23", anatomy.with_u8(kind, 23)
    yield "f142: a number taken for a text", anatomy.with_u8(kind, 21)
    yield "f142: a number taken for texts", anatomy.with_u8(kind, 22)
    yield "f142: type without a value", anatomy.with_u16(anatomy.entry(2), 0)
    yield "f142: unknown status", anatomy.with_u16(anatomy.cell(4), 23)
    yield "f142: unknown severity", anatomy.with_u16(anatomy.cell(5), 5)


def _histograms(golden: dict[str, bytes]) -> Iterator[Case]:
    for schema in ("hs00", "hs01"):
        anatomy = Anatomy(golden[schema])
        yield f"{schema}: numbers of unknown type 5", anatomy.with_u8(anatomy.cell(6), 5)
        yield f"{schema}: numbers without a type", anatomy.with_u8(anatomy.cell(6), 0)
        yield f"{schema}: no numbers", anatomy.with_u16(anatomy.entry(7), 0)
        yield f"{schema}: a shape of other numbers than there are", anatomy.with_u32(anatomy.target(4) + 4, 9)
        yield f"{schema}: a shape of 2³¹ - 1", anatomy.with_u32(anatomy.target(4) + 4, 0x7FFF_FFFF)
        yield f"{schema}: 2³⁰ dimensions", anatomy.with_u32(anatomy.target(2), 0x4000_0000)
    yield "hs00: errors of unknown type", Anatomy(golden["hs00"]).with_u8(Anatomy(golden["hs00"]).cell(8), 200)


def _ndar(anatomy: Anatomy) -> Iterator[Case]:
    yield "NDAr: numbers of unknown type 11", anatomy.with_u8(anatomy.cell(4), 11)
    yield "NDAr: a shape of other numbers than there are", anatomy.with_u32(anatomy.target(3) + 4, 9)
    yield "NDAr: fewer bytes than the shape has", anatomy.with_u32(anatomy.target(5), 5)
    yield "NDAr: time beyond its table", anatomy.with_u16(anatomy.entry(2), 0xFFF0)


def _series(golden: dict[str, bytes]) -> Iterator[Case]:
    for schema in ("se00", "senv"):
        anatomy = Anatomy(golden[schema])
        yield f"{schema}: values of unknown type 11", anatomy.with_u8(anatomy.cell(5), 11)
        yield f"{schema}: values without a type", anatomy.with_u8(anatomy.cell(5), 0)
        yield f"{schema}: fewer times than values", anatomy.with_u32(anatomy.target(7), 1)
        yield f"{schema}: unknown location", anatomy.with_u8(anatomy.cell(4), 99)
    yield "senv: values of a type that only se00 has", Anatomy(golden["senv"]).with_u8(Anatomy(golden["senv"]).cell(5), 9)
    times = Anatomy(golden["tdct"])
    yield "tdct: 2³⁰ times", times.with_u32(times.target(1), 0x4000_0000)
    units = Anatomy(golden["un00"])
    yield "un00: a unit that is not UTF-8", units.with_u8(units.target(2) + 4, 0xFF)
    command = Anatomy(golden["rf5k"])
    yield "rf5k: a change that only fc00 has", command.with_u16(command.cell(0), 3)


def _ev44(anatomy: Anatomy) -> Iterator[Case]:
    index, time_of_flight, pixel_id = anatomy.target(3), anatomy.target(4), anatomy.target(5)
    yield "ev44: fewer pixel ids than times of flight", anatomy.with_u32(pixel_id, 2)
    yield "ev44: pixel ids without times of flight", anatomy.with_u32(time_of_flight, 0)
    yield "ev44: fewer indices than reference times", anatomy.with_u32(index, 1)
    cell = anatomy.cell(5)
    yield "ev44: pixel ids are the times of flight", anatomy.with_u32(cell, time_of_flight - cell)
    cell = anatomy.cell(2)
    yield "ev44: reference times unaligned", anatomy.with_u32(cell, index - cell)
    arrays = b"ev44".join((struct.pack("<I", 24), struct.pack("<8H", 16, 36, 4, 8, 32, 28, 24, 20)))
    yield "ev44: nothing behind a vtable that promises arrays", arrays


def _da00(anatomy: Anatomy) -> Iterator[Case]:
    rows = anatomy.target(2)
    signal = Anatomy(anatomy.message, rows + 4 + anatomy.u32(rows + 4))
    axes, shape, data = signal.target(5), signal.target(6), signal.target(7)
    yield "da00: variable without a type", signal.with_u8(signal.cell(4), 0)
    yield "da00: variable of unknown type 12", signal.with_u8(signal.cell(4), 12)
    yield "da00: variable of type -1", signal.with_u8(signal.cell(4), 255)
    yield "da00: no multiple of a number's bytes", signal.with_u32(data, 47)
    yield "da00: fewer numbers than the shape says", signal.with_u32(data, 40)
    yield "da00: a shape of 2³¹ rows", signal.with_u32(shape + 4, 0x8000_0000)
    yield "da00: a shape whose product wraps to the right number", signal.with_u32(shape + 8, 0x4000_0000)
    yield "da00: a negative shape", signal.with_u32(shape + 8, 0xFFFF_FFFF)
    yield "da00: fewer axes than dimensions", signal.with_u32(axes, 1)
    yield "da00: 2³⁰ axes", signal.with_u32(axes, 0x4000_0000)
    yield "da00: an axis that is its own vector", signal.with_u32(axes + 4, 0)
    yield "da00: axis far behind the end", signal.with_u32(axes + 4, 0x7FFF_FFFC)
    yield "da00: numbers are the shape", signal.with_u32(signal.cell(7), shape - signal.cell(7))
    comment = Anatomy(anatomy.message, rows + 16 + anatomy.u32(rows + 16))
    yield "da00: text that is not UTF-8", comment.with_u8(comment.target(7) + 4, 0xFF)
    yield "da00: text with axes", comment.with_u8(signal.cell(4), 11)


def _ad00(anatomy: Anatomy) -> Iterator[Case]:
    dimensions, data, attributes = anatomy.target(3), anatomy.target(5), anatomy.target(6)
    yield "ad00: image of unknown type 11", anatomy.with_u8(anatomy.cell(4), 11)
    yield "ad00: more pixels than bytes", anatomy.with_u8(anatomy.cell(4), 9)
    yield "ad00: no multiple of a pixel's bytes", anatomy.with_u32(data, 11)
    yield "ad00: 2³¹ rows", anatomy.with_u32(dimensions + 4, 0x8000_0000)
    yield "ad00: a negative dimension", anatomy.with_u32(dimensions + 8, 0xFFFF_FFFF)
    first = Anatomy(anatomy.message, attributes + 4 + anatomy.u32(attributes + 4))
    yield "ad00: attribute of unknown type", first.with_u8(first.cell(3), 99)
    yield "ad00: attribute with half a number", first.with_u32(first.target(4), 7)


def _unknown_members(golden: dict[str, bytes]) -> Iterator[Case]:
    for schema, slot, what in (("al00", 2, "severity"), ("ep01", 1, "state"), ("fc00", 0, "change")):
        anatomy = Anatomy(golden[schema])
        yield f"{schema}: unknown {what}", anatomy.with_u16(anatomy.cell(slot), 99)
    answer = Anatomy(golden["answ"])
    yield "answ: unknown action", answer.with_u8(answer.cell(2), 99)
    yield "answ: unknown outcome", answer.with_u8(answer.cell(3), 0x80)
    command = Anatomy(golden["fc00"])
    first = command.target(1) + 4
    stream = Anatomy(golden["fc00"], first + command.u32(first))
    yield "fc00: unknown protocol", stream.with_u16(stream.cell(3), 77)


def _fc00() -> Iterator[Case]:
    head = struct.pack("<I4s4HiII", 16, b"fc00", 8, 12, 8, 4, 8, 8, 0)  # vtable, table: offset to vtable, streams, change
    yield "fc00: 2³² streams", head + struct.pack("<I", 0xFFFF_FFFF)
    yield "fc00: 2³⁰ streams", head + struct.pack("<I", 0x4000_0000) + bytes(4096)
    yield "fc00: 50000 streams, all the same one", head + _aliased_streams(50_000)
    yield "fc00: 300000 streams of nothing but defaults", head + _empty_streams(300_000)
    yield "fc00: thousands of streams whose names overlap", head + _overlapping_names(50_000)
    yield "fc00: streams that are the vector itself", head + struct.pack("<6I", 5, *(4 for _ in range(5)))


def _aliased_streams(count: int) -> bytes:
    """Return a vector of streams that all point to one table, which stands behind it with its vtable."""
    end = 4 + 4 * count
    offsets = (end + 4 - at for at in range(4, end, 4))
    return struct.pack(f"<{count + 1}I", count, *offsets) + struct.pack("<HHi", 4, 4, 4)


def _empty_streams(count: int) -> bytes:
    """Return a vector of streams, each a table of four bytes, with one vtable for all."""
    end = 4 + 4 * count
    offsets = (end + 4 for _ in range(count))  # as far apart as their offsets are
    tables = struct.pack(f"<{count}i", *range(4, 4 + 4 * count, 4))
    return struct.pack(f"<{count + 1}I", count, *offsets) + struct.pack("<HH", 4, 4) + tables


def _overlapping_names(words: int) -> bytes:
    """Return streams whose names all reach to one end, each beginning inside the one before: read naively, a quadratic amount of text.

    Names begin wherever the four bytes of a length are ASCII, and so are text themselves to the name before.
    """
    lengths = {place: 4 * (words - place - 1) for place in range(words) if not 4 * (words - place - 1) & 0x8080_8080}
    count = len(lengths)
    end = 4 + 4 * count
    tables, names = end + 8, end + 8 + 8 * count
    offsets = (tables + 8 * i - at for i, at in enumerate(range(4, end, 4)))
    starts = (names + 4 * place for place in lengths)
    streams = b"".join(struct.pack("<iI", tables + 8 * i - end, start - (tables + 8 * i + 4)) for i, start in enumerate(starts))
    text = b"".join(struct.pack("<I", lengths[place]) if place in lengths else b"text" for place in range(words))
    return struct.pack(f"<{count + 1}I", count, *offsets) + struct.pack("<3Hxx", 6, 8, 4) + streams + text + bytes(4)
