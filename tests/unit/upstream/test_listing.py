from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from bundler.model.artifact import RemoteFile, Sha256
from bundler.upstream.listing import Listing, list_files

TEXTS = st.text(st.characters(codec=None), max_size=20)  # with surrogates, as JSON may have
DIGESTS = st.none() | st.sampled_from([Sha256("0" * 64), Sha256("af" * 32)])
FILES = st.builds(
    RemoteFile,
    filename=TEXTS,
    url=TEXTS,
    sha256=DIGESTS,
    size=st.none() | st.integers(0, 2**70),
    requires_python=st.none() | TEXTS,
    yanked=st.none() | TEXTS,
    upload_time=st.none() | TEXTS,
    has_metadata=st.booleans(),
    metadata_sha256=DIGESTS,
    provenance=st.none() | TEXTS,
)


@given(st.lists(FILES, max_size=4), TEXTS, st.none() | TEXTS)
def test_a_page_comes_back_as_it_was(
    files: list[RemoteFile], status: str, reason: str | None
) -> None:
    names, lines = list_files(files)
    listing = Listing(
        project=NormalizedName("demo"),
        status=status,
        status_reason=reason,
        base="https://example.org/",
        names=names,
        lines=lines,
    )
    again = Listing.from_bytes(listing.to_bytes())
    assert again == listing
    page = again.page()
    assert list(page.files) == files
    assert (page.name, page.status, page.status_reason) == ("demo", status, reason)


def test_a_line_that_is_no_file() -> None:
    listing = Listing(
        project=NormalizedName("demo"),
        status="active",
        status_reason=None,
        base="https://example.org/",
        names=["a"],
        lines=[' rel="x"'],
    )
    with pytest.raises(ValueError, match="no file"):
        list(listing.page().files)
