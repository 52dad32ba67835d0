"""WAV files of every kind, and damaged ones: read as they are, or refused by name and byte."""

import struct
import tracemalloc
import wave

import numpy as np
import pytest
from sounds import KINDS, chunk, wav

from pullback.core.errors import DataError
from pullback.data.audio import read_wav
from pullback.data.audio import wav as module

TOLERANCE = {"u8": 2**-7, "i16": 2**-15, "i24": 2**-23, "i32": 1e-7, "f32": 1e-7, "f64": 1e-7}


@pytest.fixture
def values(rng):
    return rng.uniform(-1, 1, 600)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_kind(values, kind, extensible, channels):
    sound = read_wav(wav(values, kind, channels=channels, rate=11025, extensible=extensible))
    assert sound.rate == 11025
    assert sound.samples.dtype == np.float32
    expected = values.reshape(-1, channels).mean(axis=1)
    np.testing.assert_allclose(sound.samples, expected, atol=TOLERANCE[kind])


def test_the_ends_of_the_range():
    for kind, least in (("u8", -1), ("i16", -1), ("i24", -1), ("i32", -1), ("f32", -1)):
        found = read_wav(wav(np.array([-1.0, 0.0, 1.0]), kind)).samples
        assert found[0] == least
        assert found[1] == 0
        assert 0.99 < found[2] <= 1
    np.testing.assert_array_equal(read_wav(wav(np.array([-3.0, 2.0]), "f32")).samples, [-1, 1])


def test_as_the_standard_library_reads(values, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(values, channels=2))
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(300), "<i2").reshape(-1, 2) / 32768
    np.testing.assert_allclose(read_wav(path).samples, raw.mean(axis=1), atol=1e-7)


def test_files_larger_than_a_piece(values, monkeypatch):
    content = wav(values, "i24", channels=2, length=0xFFFFFFFF)
    right = read_wav(content).samples
    monkeypatch.setattr(module, "PIECE", 20)
    np.testing.assert_array_equal(read_wav(content).samples, right)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000, 0xFFFFFFFE])
def test_streamed_files_go_to_their_end(values, length):
    found = read_wav(wav(values, "i24", length=length, after=b"\1\2")).samples  # half a sample
    np.testing.assert_array_equal(found, read_wav(wav(values, "i24")).samples)


@pytest.mark.parametrize("pad", [True, False])
def test_chunks_of_odd_length(values, pad):
    before = chunk(b"LIST", b"abc", pad) + chunk(b"junk", b"x" * 8)
    found = read_wav(wav(values, before=before, after=chunk(b"LIST", b"more"))).samples
    np.testing.assert_array_equal(found, read_wav(wav(values)).samples)


def test_what_is_12_bits_in_16(values):
    content = bytearray(wav(values))
    content[34:36] = struct.pack("<H", 12)
    np.testing.assert_array_equal(read_wav(bytes(content)).samples, read_wav(wav(values)).samples)


def changed(at, layout, *numbers):
    def change(content):
        content = bytearray(content)
        content[at : at + struct.calcsize(layout)] = struct.pack(layout, *numbers)
        return bytes(content)

    return change


BAD = {
    "empty": (lambda c: b"", "the file is empty"),
    "short header": (lambda c: c[:7], "byte 0: expected a header of 12 bytes, found the end"),
    "not RIFF": (lambda c: b"OggS" + c[4:], "byte 0: expected RIFF.*found 'OggS"),
    "big-endian": (lambda c: b"RIFX" + c[4:], "byte 0: expected RIFF"),
    "not WAVE": (lambda c: c[:8] + b"AVI " + c[12:], "byte 0: expected RIFF"),
    "no channels": (changed(22, "<H", 0), "byte 22: expected at least one channel, found 0"),
    "no rate": (changed(24, "<I", 0), "byte 24: expected a rate above 0, found 0"),
    "frame": (changed(32, "<H", 5), "byte 32: expected 1 samples of 1 or 2 or 3 or 4 bytes"),
    "bits": (changed(34, "<H", 24), "byte 34: expected 9 to 16 bits in 2 bytes, found 24"),
    "A-law": (changed(20, "<H", 6), r"byte 20: expected format 1 .*found 6 \(A-law\)"),
    "unknown": (changed(20, "<H", 999), r"found 999 \(unknown\)"),
    "short fmt": (changed(16, "<I", 14), "byte 16: expected a fmt chunk of at least 16 bytes"),
    "extensible": (changed(20, "<H", 0xFFFE), "an extensible fmt chunk of 40 bytes, found 16"),
    "no data": (lambda c: c[:36], "byte 36: expected a data chunk, found the end of the file"),
    "no length": (lambda c: c[:42], "expected the length of the data of 4 bytes"),
    "no fmt": (lambda c: c[:12] + c[36:], "byte 12: expected a fmt chunk before the data"),
    "cut": (lambda c: c[:-7], "byte 40: expected 1,200 bytes of data, found 1,193 before the end"),
    "odd": (changed(40, "<I", 1199), "byte 40: expected a multiple of 2 bytes, found 1,199"),
    "no samples": (lambda c: c[:40] + b"\0\0\0\0", "byte 40: there are no samples"),
    "then LIST": (lambda c: c[:40] + b"\0\0\0\0LIST\4\0\0\0abcd", "there are no samples"),
    "long chunk": (changed(36, "<4sI", b"junk", 1 << 30), "a chunk 'junk' of 1,073,741,824 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name, values, tmp_path):
    change, message = BAD[name]
    path = tmp_path / "bad.wav"
    path.write_bytes(change(wav(values)))
    with pytest.raises(DataError, match=message) as found:
        read_wav(path)
    assert str(found.value).startswith(f"{path}: ")


def test_numbers_that_are_none():
    with pytest.raises(DataError, match="byte 52: expected a number, found nan"):
        read_wav(wav(np.array([0, 1, np.nan, 0]), "f32"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_wav(tmp_path / "none.wav")


def test_a_length_alone_takes_no_memory(values):
    tracemalloc.start()
    for length in (0x7FFF0000, 0xFFFFFFFF):
        try:
            read_wav(wav(values, length=length))
        except DataError:
            assert length == 0x7FFF0000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_read_or_refused(seed):
    """Bytes changed, left out and put in at random: a sound in range, or an error with its byte."""
    rng = np.random.default_rng(seed)
    before = chunk(b"LIST", b"x" * int(rng.integers(0, 9)), bool(rng.integers(2)))
    whole = wav(
        rng.uniform(-1, 1, 24), KINDS[seed % 6], channels=1 + seed % 2, before=before,
        extensible=bool(rng.integers(2)), length=None if seed % 3 else 0,
    )  # fmt: skip
    refused = []
    for _ in range(50):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, min(len(content), 80)))
            how = rng.integers(4)
            if how == 0:
                content[at] = rng.integers(256)
            elif how == 1:
                del content[at : at + int(rng.integers(1, 5))]
            elif how == 2:
                content[at:at] = rng.bytes(int(rng.integers(1, 5)))
            else:
                content[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 2**31, 2**32 - 1]))
        try:
            sound = read_wav(bytes(content), "damaged")
        except DataError as error:
            refused.append(str(error))
            continue
        assert sound.rate > 0
        assert len(sound.samples)
        assert np.abs(sound.samples).max() <= 1
    assert refused
    assert all(message.startswith("damaged: ") for message in refused)
