"""The commands of docs/format.md, which need no `bundle`, on a volume that was just written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.command import site
from tests.fakes.documents import ROOT, blocks, section

TOOLS = ("zstd", "tar", "jq", "openssl", "basenc", "sha256sum")
PAGE = (ROOT / "docs" / "format.md").read_text()


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"
)
@pytest.mark.parametrize("damaged", [False, True])
def test_stock_tools_read_a_volume_as_the_page_says(tmp_path: Path, *, damaged: bool) -> None:
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        volume = host.volume()
    if damaged:
        data = bytearray(volume.read_bytes())
        data[-40] ^= 1  # in the tail, which stock decoders pass over
        volume.write_bytes(data)
    commands = "".join(blocks(section(PAGE, "Reading it with stock tools"), "sh"))
    done = subprocess.run(
        ["/bin/sh", "-c", commands],
        cwd=tmp_path,
        env={**os.environ, "V": str(volume)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # Documents, two releases and the tail.
    assert lines.count("-: OK") == (3 if damaged else 4)
    assert lines.count("-: FAILED") == (1 if damaged else 0)
    assert "Signature Verified Successfully" in lines
    manifest, named = lines[-3].split()[0], lines[-2]
    assert manifest == named
