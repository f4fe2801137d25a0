"""Pages in headless Chromium, as a user sees them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ATTEMPTS = 3
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--virtual-time-budget=5000",
)


def in_browser(page: Path, script: str, profile: Path, width: int = 1440) -> Any:
    """What ``script`` (the body of an async function) returns in the page, as JSON. The page keeps its content security policy,
    which is only told of the probe."""
    catch = "addEventListener('error',e=>document.title='error '+e.message)"
    write = f"(async()=>{{{script}}})().then(found=>document.title=JSON.stringify(found),e=>document.title='error '+e)"
    hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in (catch, write))
    text = page.read_text(encoding="utf-8").replace("script-src", "script-src" + hashes, 1)
    text = text.replace('<meta name="viewport"', f'<script>{catch}</script><meta name="viewport"', 1)
    probe = page.with_name("probe.html")
    probe.write_text(text.replace("</body>", f"<script>{write}</script></body>"), encoding="utf-8")
    command = [
        str(CHROMIUM),
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--window-size={width},900",
        "--dump-dom",
        probe.as_uri(),
    ]
    before = _title(text)
    # Virtual time does not wait for the decoder of a player: on a busy machine the page may be dumped before the script has ended.
    for _ in range(ATTEMPTS):
        title = _title(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)
        if title != before:
            break
    return json.loads(title)


def _title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.S)
    assert found is not None
    return html.unescape(found[1])
