from __future__ import annotations

import pytest

from bundler.cli.examples import EXAMPLES, example
from bundler.model.profile import parse_profile


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_a_profile_of_its_name(name: str) -> None:
    profile = parse_profile(example(name).encode(), name)
    assert profile.stream == name
    assert len(profile.parsed_targets()) >= 2
    assert len(profile.parsed_requirements()) >= 5
