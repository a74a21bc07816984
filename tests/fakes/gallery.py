"""A mirror with something of everything that pages for people show, and a hostile project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.model.artifact import parse_wheel_name
from bundler.model.contents import Contents, ContentsDocument, EmbeddedSbom, Native, WheelContents
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument, VerifiedManifest
from bundler.trust.attest import Attestor
from tests.fakes.attestations import attestation, provenance, statement
from tests.fakes.fulcio import github
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver, documents_of
from tests.fakes.natives import elf
from tests.fakes.sdists import build_sdist
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.wheels import build_wheel

SIGSTORE: Final = FakeSigstore()
LINUX, WINDOWS = "cp312-linux", "cp312-windows"
TIME: Final = "2026-01-30T12:00:00Z"

README: Final = """# Fast numbers

Arrays that are **fast**. See [the manual](https://docs.example.org/manual) or [below](#usage).

[![build](https://badge.example.org/build.svg)](https://ci.example.org/build)

| Part | What it does |
|------|--------------|
| core | numbers      |

## Usage

```python
import fastnum
print(fastnum.add(1, 2))
```

- [x] works
"""

BIDI: Final = "\u202egpj.exe\u2066"
SCRIPT: Final = "<script>document.title='owned'</script>"
EVIL: Final = "https://evil.example.org"
EVIL_README: Final = f"""# Hi <script>document.title = "owned"</script>

<img src="{EVIL}/pixel.png" onerror="document.title = 'owned'"> ![seen]({EVIL}/seen.png)
<svg onload="document.title = 'owned'"><script>document.title = "owned"</script></svg>
<iframe src="{EVIL}/frame"></iframe><object data="{EVIL}/o"></object><embed src="{EVIL}/e">
<link rel="stylesheet" href="{EVIL}/style.css"><style>@import url("{EVIL}/s.css");</style>
<base href="{EVIL}/"><meta http-equiv="refresh" content="0;url={EVIL}/">
<form action="{EVIL}/form"><input name="a" autofocus onfocus="document.title = 'owned'"></form>
<video src="{EVIL}/v"></video><a href="javascript:document.title='owned'">press</a>
<a href=" java&#10;script:document.title='owned'" id="main" class="badge verified"
style="position:fixed; inset:0;background:url({EVIL}/bg)">all over</a>
[press](javascript:document.title='owned')
<details open ontoggle="document.title = 'owned'">x</details> <a href="data:text/html,x">d</a>
[up](../../../etc/passwd) [here](//evil.example.org/x) <https://evil.example.org/plain>
"""


def wheel_with_readme(
    name: str,
    version: str,
    *headers: str,
    readme: str = "",
    tags: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
) -> Wheel:
    """A wheel whose METADATA has more headers and a README."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers]
    info = f"{name.replace('-', '_')}-{version}.dist-info/METADATA"
    text = "\n".join(lines) + "\n\n" + readme
    return build_wheel(name, version, tags=tags, files={info: text.encode(), **(files or {})})


_SBOM: Final = b'{"bomFormat": "CycloneDX"}'
_SBOM_PATH: Final = "fastnum-2.0.dist-info/sboms/x.cdx.json"
_LIBRARY: Final = elf("x86_64")
_ABOUT: Final = (
    "Summary: Arrays that are fast",
    "License-Expression: BSD-3-Clause",
    "Author: The people of example",
    "Project-URL: Documentation, https://docs.example.org/",
    "Project-URL: Bad, javascript:alert(1)",
    "Requires-Dist: leaf>=1",
    "Description-Content-Type: text/markdown",
)
NEW: Final = wheel_with_readme(
    "fastnum",
    "2.0",
    *_ABOUT,
    readme=README,
    tags="cp312-cp312-manylinux_2_28_x86_64",
    files={"fastnum/_x.so": _LIBRARY, _SBOM_PATH: _SBOM},
)
NEW_WINDOWS: Final = wheel_with_readme(
    "fastnum", "2.0", *_ABOUT, readme=README, tags="cp312-cp312-win_amd64"
)
OLD: Final = wheel_with_readme("fastnum", "1.0", *_ABOUT, tags="cp312-cp312-manylinux_2_28_x86_64")
PRE: Final = wheel_with_readme("fastnum", "3.0rc1", *_ABOUT, tags="cp312-cp312-win_amd64")
LEAF: Final = wheel_with_readme("leaf", "1.5", "Summary: A leaf", readme="Leaf\n====\n\n* one\n")
PLAIN: Final = build_sdist("plain-source", "0.1")
HOSTILE: Final = wheel_with_readme(
    "hostile",
    "1.0",
    f"Summary: </p><script>document.title='owned'</script>{BIDI}\x00\x1b[31m",
    "License: <img src=x onerror=document.title='owned'>",
    f"Author: {BIDI}",
    f"Project-URL: <b>x</b>, {EVIL}/link",
    "Project-URL: js, javascript:document.title='owned'",
    "Project-URL: data, data:text/html,<script>1</script>",
    'Requires-Dist: a" onmouseover="document.title=1',
    "Description-Content-Type: text/markdown",
    readme=EVIL_README,
)


@dataclass(frozen=True)
class Shown:
    """What was published, and the wheel that is attested."""

    mirror: Mirror
    attested: BundledFile
    manifest: VerifiedManifest


def gallery(root: Path) -> Shown:
    """Two sequences of `web`, one of `ml`."""
    mirror = Mirror.create(root)
    old = bundled(OLD, targets=(LINUX,), upload_time=TIME)
    publish(mirror, deliver(mirror, [OLD, LEAF], documents_of([old, _leaf()]).values()), ignore)
    attested = _attested(mirror)
    files = [
        replace(old, yanked='loses <data> & "more"'),
        attested,
        bundled(NEW_WINDOWS, targets=(WINDOWS,), passed_through=True),
        bundled(PRE, targets=(WINDOWS,)),
        _leaf(),
        bundled(PLAIN, targets=(LINUX, WINDOWS)),
        bundled(HOSTILE, yanked=f"{SCRIPT}{BIDI}", index=f"{BIDI}<i>"),
    ]
    documents = documents_of(files)
    hostile = NormalizedName("hostile")
    reason = f"</p>{SCRIPT}"
    documents[hostile] = replace(documents[hostile], status="quarantined", status_reason=reason)
    wheels = [NEW, NEW_WINDOWS, PRE, PLAIN, HOSTILE]
    web = _with_contents(mirror, deliver(mirror, wheels, documents.values(), sequence=2))
    publish(mirror, web, ignore)
    ml = deliver(mirror, [LEAF], documents_of([_leaf()]).values(), stream="ml", sequence=7)
    publish(mirror, ml, ignore)
    return Shown(mirror, attested, web)


def _leaf() -> BundledFile:
    return bundled(LEAF, required_by=("fastnum", "profile"), targets=(LINUX, WINDOWS))


def _attested(mirror: Mirror) -> BundledFile:
    filename, data = NEW
    digest = blob_of(data).sha256
    signed = SIGSTORE.bundle(statement(filename, digest), github("example/fastnum"))
    claim = {"kind": "GitHub", "repository": "example/fastnum", "workflow": "release.yml"}
    document = provenance(claim, attestation(signed))
    verdict = Attestor(SIGSTORE.trusted_root).verdict(filename, digest, document)
    blob = mirror.store.put(document)
    return bundled(NEW, targets=(LINUX,), upload_time=TIME, provenance=blob, verdict=verdict)


def _with_contents(mirror: Mirror, manifest: Manifest) -> VerifiedManifest:
    name = parse_wheel_name(NEW[0]).project
    native = Native(
        path="fastnum/_x.so",
        blob=blob_of(_LIBRARY),
        format="elf",
        role="extension",
        architectures=("x86_64",),
        needed=("libc.so.6",),
        sbom=_SBOM_PATH,
    )
    inside = WheelContents(
        blob_of(NEW[1]).sha256, (native,), (EmbeddedSbom(_SBOM_PATH, blob_of(_SBOM)),)
    )
    blob = mirror.store.put(ContentsDocument(name, (inside,)).to_bytes())
    contents = Contents(documents={name: blob}, natives=1, covered=1, sboms=1, accepted=())
    return VerifiedManifest(replace(manifest, contents=contents))


def many(count: int) -> list[ProjectDocument]:
    """Documents of so many projects, all with one tiny wheel each."""
    wheels = [wheel_with_readme(f"p{n:04}", "1.0", f"Summary: Number {n}") for n in range(count)]
    return list(documents_of(map(bundled, wheels)).values())
