"""Downloads, from servers on this machine that misbehave in all the usual ways."""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib
import io
import socket
import struct
import threading
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pullback.core.errors import DataError, StorageError
from pullback.data import download as downloading
from pullback.data import load, mnist
from pullback.data.download import download

loading = importlib.import_module("pullback.data.load")
NAME = "numbers.bin"
CONTENT = np.random.default_rng(0).bytes(300_000)


def check(path: Path) -> None:
    if path.read_bytes() != CONTENT:
        raise DataError("the checksum does not fit")


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files``; ``server.breaks`` answers stop half-way."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        if self.server.stalls:
            self.server.over.wait(10)
            return
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if not self.server.ranges:
            start = 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *args) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, files=None, breaks=0, ranges=True, stalls=False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {NAME: CONTENT} if files is None else files
        self.breaks, self.ranges, self.stalls = breaks, ranges, stalls
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request, client_address) -> None:
        pass

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
    servers = []

    def start(**options) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def get(folder: Path, *servers: Server) -> Path:
    return download(NAME, tuple(server.address for server in servers), folder, check)


def test_the_whole_file(tmp_path, serve):
    server = serve()
    path = get(tmp_path / "new" / "folder", server)
    assert path == tmp_path / "new" / "folder" / NAME
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [NAME]
    assert server.asked == [(f"/{NAME}", None)]


def test_the_second_call_asks_nobody(tmp_path, serve):
    server = serve()
    get(tmp_path, server)
    assert get(tmp_path, server).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_broken_connection_goes_on_at_the_next_mirror(tmp_path, serve):
    first, second = serve(breaks=1), serve()
    assert get(tmp_path, first, second).read_bytes() == CONTENT
    assert first.asked == [(f"/{NAME}", None)]
    assert second.asked == [(f"/{NAME}", f"bytes={len(CONTENT) // 2}-")]


def test_a_broken_connection_goes_on_in_the_next_call(tmp_path, serve):
    server = serve(breaks=2)
    for arrived in (len(CONTENT) // 2, len(CONTENT) * 3 // 4):
        with pytest.raises(DataError, match="the connection broke after"):
            get(tmp_path, server)
        assert (tmp_path / (NAME + ".part")).stat().st_size == arrived
        assert not (tmp_path / NAME).exists()
    assert get(tmp_path, server).read_bytes() == CONTENT
    assert server.asked[1:] == [
        (f"/{NAME}", f"bytes={len(CONTENT) // 2}-"),
        (f"/{NAME}", f"bytes={len(CONTENT) * 3 // 4}-"),
    ]


def test_a_server_that_cannot_go_on_begins_again(tmp_path, serve):
    server = serve(breaks=1, ranges=False)
    with pytest.raises(DataError):
        get(tmp_path, server)
    assert get(tmp_path, server).read_bytes() == CONTENT
    assert server.asked[1][1] is not None


def test_a_part_that_is_already_whole_is_taken(tmp_path, serve):
    (tmp_path / (NAME + ".part")).write_bytes(CONTENT)
    assert get(tmp_path, serve()).read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [b"", b"too much"], ids=["as long", "longer"])
def test_a_part_of_another_file_is_thrown_away(tmp_path, serve, rest):
    (tmp_path / (NAME + ".part")).write_bytes(bytes(len(CONTENT)) + rest)
    assert get(tmp_path, serve(), serve()).read_bytes() == CONTENT


def test_after_404_the_next_mirror(tmp_path, serve):
    first, second = serve(files={}), serve()
    assert get(tmp_path, first, second).read_bytes() == CONTENT
    assert len(first.asked) == len(second.asked) == 1


def test_after_a_wrong_checksum_the_next_mirror_from_the_start(tmp_path, serve):
    first, second = serve(files={NAME: b"wrong" + CONTENT[5:]}), serve()
    assert get(tmp_path, first, second).read_bytes() == CONTENT
    assert second.asked == [(f"/{NAME}", None)]


def test_a_wrong_file_is_not_kept(tmp_path, serve):
    with pytest.raises(DataError, match="the checksum does not fit"):
        get(tmp_path, serve(files={NAME: CONTENT[:-1] + b"?"}))
    assert list(tmp_path.iterdir()) == []


def test_after_silence_the_next_mirror(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT_SECONDS", 0.2)
    assert get(tmp_path, serve(stalls=True), serve()).read_bytes() == CONTENT


def test_an_error_of_the_network_is_none_of_the_disk(tmp_path, serve, monkeypatch):
    read, calls = HTTPResponse.read, []

    def unreachable(self, amount=None):
        calls.append(amount)
        if len(calls) == 2:
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return read(self, amount)

    monkeypatch.setattr(HTTPResponse, "read", unreachable)
    first, second = serve(), serve()
    assert get(tmp_path, first, second).read_bytes() == CONTENT
    assert second.asked == [(f"/{NAME}", f"bytes={downloading.CHUNK}-")]


def test_no_mirror(tmp_path, serve):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/"
    missing = serve(files={})
    with pytest.raises(DataError) as caught:
        download(NAME, (closed, missing.address), tmp_path, check)
    message = str(caught.value)
    assert "\n" not in message
    for part in (NAME, closed, missing.address, "refused", "Not Found", "--data-dir"):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path, serve, monkeypatch):
    class Full(io.BytesIO):
        def write(self, content) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, *a, **k: Full() if self.suffix == ".part" else opened(self, *a, **k),
    )
    with pytest.raises(StorageError, match="the disk is full") as caught:
        get(tmp_path, serve())
    assert str(caught.value).startswith(str(tmp_path / NAME))
    assert "\n" not in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path, serve):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        get(tmp_path / "file" / "folder", serve())


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_mnist_is_fetched_once_and_checked(tmp_path, serve, monkeypatch):
    images, labels = np.full((10, 28, 28), 7, np.uint8), np.arange(10, dtype=np.uint8)
    plain = {name: idx(images if "images" in name else labels) for name in mnist.SHA256}
    packed = {f"{name}.gz": gzip.compress(content) for name, content in plain.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in plain.items()}
    spoiled = packed | {"t10k-labels-idx1-ubyte.gz": gzip.compress(b"other")}
    cut = packed | {"train-images-idx3-ubyte.gz": packed["train-images-idx3-ubyte.gz"][:-9]}
    servers = [serve(files=files) for files in (cut, spoiled, packed)]
    monkeypatch.setattr(mnist, "MIRRORS", tuple(server.address for server in servers))
    monkeypatch.setattr(mnist, "SHA256", digests)
    monkeypatch.setattr(loading, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    data = load("mnist")
    np.testing.assert_array_equal(data.train.x, images)
    np.testing.assert_array_equal(data.test.y, labels)
    assert sorted(p.name for p in (tmp_path / "mnist").iterdir()) == sorted(packed)
    asked = [len(server.asked) for server in servers]
    load("mnist")
    assert [len(server.asked) for server in servers] == asked
