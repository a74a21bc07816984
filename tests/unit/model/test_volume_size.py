from __future__ import annotations

import pytest

from bundler.model.volume_size import MEDIA, parse_volume_size

CAPACITIES = {  # in bytes, of the smaller kind where two share a name
    "cd": 360_000 * 2048,
    "dvd": 2_295_104 * 2048,
    "dvd-dl": 4_171_712 * 2048,
    "bd25": 12_219_392 * 2048,
    "bd50": 24_438_784 * 2048,
    "bd100": 48_878_592 * 2048,
}


@pytest.mark.parametrize("name", CAPACITIES)
def test_a_medium_takes_a_volume_and_a_file_system(name: str) -> None:
    assert set(MEDIA) == set(CAPACITIES)
    assert parse_volume_size(name) == MEDIA[name]
    assert CAPACITIES[name] * 0.97 < MEDIA[name] + 9_000_000 < CAPACITIES[name]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("999999999 B", 999_999_999),
        ("1.5B", 1),
        ("650 MB", 650_000_000),
        ("4.7GB", 4_700_000_000),
        ("0.000001MB", 1),
        ("1.234567GB", 1_234_567_000),
        ("100.25kB", 100_250),
        ("2TB", 2_000_000_000_000),
    ],
)
def test_sizes_are_decimal(text: str, size: int) -> None:
    assert parse_volume_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "0MB", "0.5B", "4.7", "GB", "4,7GB", "-1GB", "1GiB", "1KB", "1 gb", "1.GB", ".5GB",
     "1.0000001GB", "1000000000B", "1GB ", " 1GB", "1  GB", "DVD", "٣GB", "1e3MB", "x" * 90],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"give a medium \(cd, dvd, dvd-dl,") as info:
        parse_volume_size(text)
    assert len(str(info.value)) < 200
