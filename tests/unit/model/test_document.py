from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.document import Reader

DIGEST = "ab" * 32
BLOB = {"sha256": DIGEST, "size": 3}


def reader(value: Any) -> Reader:
    return Reader({"key": value}, "place")


@pytest.mark.parametrize(
    ("take", "value", "result"),
    [
        (Reader.text, "x", "x"),
        (Reader.optional_text, None, None),
        (Reader.optional_text, "", ""),
        (Reader.texts, ["a", "b"], ("a", "b")),
        (Reader.texts, [], ()),
        (Reader.size, 0, 0),
        (Reader.positive, 1, 1),
        (Reader.time, "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        (Reader.digest, DIGEST, DIGEST),
        (Reader.name, "a-b", "a-b"),
        (Reader.blob, BLOB, Blob(Sha256(DIGEST), 3)),
        (Reader.digests, {"x": DIGEST}, {"x": DIGEST}),
        (Reader.blobs, {"x": BLOB}, {"x": Blob(Sha256(DIGEST), 3)}),
    ],
)
def test_values_are_taken_by_type(
    take: Callable[[Reader, str], object], value: Any, result: object
) -> None:
    document = reader(value)
    assert take(document, "key") == result
    document.finish()


@pytest.mark.parametrize(
    ("take", "value", "reason"),
    [
        (Reader.text, 1, r"place\.key: not a string"),
        (Reader.optional_text, 1, r"place\.key: neither a string nor null"),
        (Reader.texts, "ab", r"place\.key: not an array of strings"),
        (Reader.texts, ["a", 1], r"place\.key: not an array of strings"),
        (Reader.size, True, r"place\.key: not an integer of 0 or more"),
        (Reader.size, -1, r"place\.key: not an integer of 0 or more"),
        (Reader.size, 1.0, r"place\.key: not an integer of 0 or more"),
        (Reader.size, "1", r"place\.key: not an integer of 0 or more"),
        (Reader.positive, 0, r"place\.key: not an integer of 1 or more"),
        (Reader.time, "2026-01-31", r"place\.key: not a time like"),
        (Reader.time, "2026-02-31T12:00:00Z", r"place\.key: not a time: day"),
        (Reader.time, "2026-01-31T12:00:00Z\n", r"place\.key: not a time like"),
        (Reader.time, "2026-01-3\u0661T12:00:00Z", r"place\.key: not a time like"),
        (Reader.digest, DIGEST.upper(), r"place\.key: not a sha256 digest"),
        (Reader.digest, None, r"place\.key: not a sha256 digest: None"),
        (Reader.name, "A_b", r"place\.key: 'A_b' is not a normalised project name"),
        (Reader.object, [], r"place\.key: not an object"),
        (Reader.blob, {"sha256": DIGEST}, r"place\.key: no key 'size'"),
        (Reader.blob, {**BLOB, "x": 1}, r"place\.key: unknown key 'x'"),
        (Reader.digests, {"x": 1}, r"place\.key\.x: not a sha256 digest"),
        (Reader.blobs, {"x": {}}, r"place\.key\.x: no key 'sha256'"),
        (Reader.blobs, [], r"place\.key: not an object"),
    ],
)
def test_other_types_are_refused_with_their_place(
    take: Callable[[Reader, str], object], value: Any, reason: str
) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        take(reader(value), "key")


def test_objects_of_an_array_have_numbers() -> None:
    document = reader([{"a": "x"}, {"a": 1}])
    first, second = document.objects("key")
    assert first.text("a") == "x"
    with pytest.raises(ValueError, match=r"^place\.key\[1\]\.a: not a string"):
        second.text("a")
    with pytest.raises(ValueError, match=r"^place\.key: not an array"):
        list(reader({}).objects("key"))
    with pytest.raises(ValueError, match=r"^place\.key\[0\]: not an object"):
        list(reader([1]).objects("key"))


def test_absent_and_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^place: no key 'other'"):
        reader(1).text("other")
    with pytest.raises(ValueError, match=r"^place: unknown key 'key'"):
        reader(1).finish()


def test_what_is_left_is_held_against_a_value() -> None:
    document = reader("x")
    assert document.holds({"key": "x"})
    assert not document.holds({"key": "y"})
    assert not document.holds({})
    document.text("key")
    assert document.holds({})


def test_a_key_is_taken_once() -> None:
    document = reader("x")
    document.text("key")
    with pytest.raises(ValueError, match="no key 'key'"):
        document.text("key")


def test_only_this_format_is_read() -> None:
    Reader.over(canonical({"format": 1}), "document").finish()
    with pytest.raises(
        ValueError, match=r"document\.format: this version of bundle reads format 1"
    ):
        Reader.over(canonical({"format": 2}), "document")
    with pytest.raises(ValueError, match="document: not a JSON object"):
        Reader.over(b"[]", "document")


def test_members_of_an_object_have_names() -> None:
    document = reader({"x": {"a": "1"}, "y": {"a": 2}})
    (first, one), (second, two) = document.members("key")
    assert (first, second, one.text("a")) == ("x", "y", "1")
    with pytest.raises(ValueError, match=r"^place\.key\.y\.a: not a string"):
        two.text("a")
    with pytest.raises(ValueError, match=r"^place\.key\.x: not an object"):
        list(reader({"x": 1}).members("key"))
