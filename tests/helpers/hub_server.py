"""A web server with the part of the Hugging Face hub's interface that a snapshot needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "a" * 40
Repositories = Mapping[str, Mapping[str, bytes]]


def etag(name: str, content: bytes) -> str:
    """As of the hub: SHA-256 of large files, Git's SHA-1 of the others."""
    if name.endswith((".bin", ".model", ".safetensors")):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def hub_server(repositories: Repositories) -> Iterator[str]:
    """Yields the address. ``repositories``: hub id -> file name -> content."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            code, content, headers = _response(repositories, self.path.partition("?")[0])
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


def _response(repositories: Repositories, path: str) -> tuple[int, bytes, dict[str, str]]:
    for hub_id, files in repositories.items():
        if path.startswith(f"/api/models/{hub_id}/tree/"):
            tree = [{"type": "file", "oid": etag(n, c), "size": len(c), "path": n} for n, c in files.items()]
            return 200, json.dumps(tree).encode(), {"Content-Type": "application/json"}
        if path.startswith(f"/api/models/{hub_id}/"):
            facts = {"id": hub_id, "sha": REVISION, "siblings": [{"rfilename": name} for name in files]}
            return 200, json.dumps(facts).encode(), {"Content-Type": "application/json"}
        name = path.removeprefix(f"/{hub_id}/resolve/{REVISION}/")
        if name in files:
            return 200, files[name], {"ETag": f'"{etag(name, files[name])}"', "X-Repo-Commit": REVISION}
    return 404, b"{}", {}
