from __future__ import annotations

from array import array

from bundler.mirror.counters import COLUMNS, Counters


def _lines(counters: Counters, generation: int | None = None) -> dict[str, str]:
    found = counters.render(generation).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in found if not line.startswith("#"))


def test_the_figures_of_all_processes() -> None:
    table = array("d", bytes(8 * COLUMNS * 2))
    one, other = Counters(table, 0), Counters(table, 1)
    one.answered(200, 100, 0.0004)
    one.answered(404, 10, 0.003)
    other.answered(206, 1000, 5)
    other.refused("rate")
    found = _lines(one, 7)
    assert found == _lines(other, 7)
    assert found['bundler_requests_total{status="2xx"}'] == "2"
    assert found['bundler_requests_total{status="4xx"}'] == "1"
    assert found['bundler_requests_total{status="5xx"}'] == "0"
    assert found["bundler_response_bytes_total"] == "1110"
    assert found['bundler_refused_total{reason="rate"}'] == "1"
    assert found['bundler_refused_total{reason="address"}'] == "0"
    assert found['bundler_answer_seconds_bucket{le="0.0005"}'] == "1"
    assert found['bundler_answer_seconds_bucket{le="0.005"}'] == "2"
    assert found['bundler_answer_seconds_bucket{le="1.0"}'] == "2"
    assert found['bundler_answer_seconds_bucket{le="+Inf"}'] == "3"
    assert found["bundler_answer_seconds_count"] == "3"
    assert found["bundler_answer_seconds_sum"] == "5.003400"
    assert found["bundler_generation"] == "7"


def test_nothing_is_live() -> None:
    counters = Counters(array("d", bytes(8 * COLUMNS)), 0)
    assert "bundler_generation" not in _lines(counters)


def test_each_figure_is_described() -> None:
    lines = Counters(array("d", bytes(8 * COLUMNS)), 0).render(1).decode().splitlines()
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        if not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            assert any(name.startswith(each) for each in described)
