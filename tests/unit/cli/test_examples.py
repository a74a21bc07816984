from __future__ import annotations

from pathlib import Path

import pytest

from bundler.cli.examples import EXAMPLES, example
from bundler.model.profile import parse_profile
from tests.fakes.command import succeed


def test_init_writes_an_example_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    assert "bundle trust init web --key NAME" in succeed("init", path, "--example", "web").stdout
    assert path.read_text() == example("web")


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_a_profile_of_its_name(name: str) -> None:
    profile = parse_profile(example(name).encode(), name)
    assert profile.stream == name
    assert len(profile.parsed_targets()) >= 2
    assert len(profile.parsed_requirements()) >= 5
