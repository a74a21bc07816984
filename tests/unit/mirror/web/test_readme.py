from __future__ import annotations

import io
import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readme_renderer import rst

from bundler.mirror.web import readme as readme_module
from bundler.mirror.web.readme import MAX_README, Readmes
from bundler.mirror.web.rendering import MEMORY, clean, main, render
from tests.fakes.html import Reader

MARKDOWN, REST = "text/markdown", "text/x-rst"


def test_markdown_and_restructured_text() -> None:
    with Readmes(1) as readmes:
        assert "<h3 id=" in readmes.render(MARKDOWN, "# Title\n").code
        assert "<strong>b</strong>" in readmes.render(REST, "**b**\n").code
        # The oldest METADATA says nothing of the form (core metadata).
        assert "<strong>b</strong>" in readmes.render("", "**b**\n").code
        assert readmes.render("text/plain", "**b**\n").code == '<pre class="plain">**b**\n</pre>'
        assert (
            readmes.render("nonsense; charset", "<b>").code == '<pre class="plain">&lt;b&gt;</pre>'
        )


def test_variants_of_markdown() -> None:
    with Readmes(1) as readmes:
        task = "~~gone~~\n"
        assert "<del>" in readmes.render(f"{MARKDOWN}; variant=GFM", task).code
        assert "<del>" in readmes.render(f"{MARKDOWN}; variant=Other", task).code
        assert "<del>" not in readmes.render(f"{MARKDOWN}; variant=CommonMark", task).code


def test_what_is_wrong_or_too_long_is_shown_as_it_is() -> None:
    with Readmes(1) as readmes:
        broken = "Title\n==\n\n.. include:: /etc/passwd\n"
        assert readmes.render(REST, broken).code == f'<pre class="plain">{broken}</pre>'
        long = "a " * MAX_README
        assert (
            readmes.render(MARKDOWN, long).code == f'<pre class="plain">{long[:MAX_README]}</pre>'
        )


def test_what_becomes_too_long_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme_module, "MAX_RENDERED", 10)
    with Readmes(1) as readmes:
        assert readmes.render(MARKDOWN, "*a* and b").code == '<pre class="plain">*a* and b</pre>'


def test_a_readme_that_takes_for_ever_is_given_up() -> None:
    nested = "> " * 50_000  # takes more than a minute
    with Readmes(1, patience=0.3) as readmes:
        start = time.monotonic()
        assert readmes.render(MARKDOWN, nested).code.startswith('<pre class="plain">&gt; &gt;')
        assert time.monotonic() - start < 10
        assert readmes.render(MARKDOWN, "*a*").code == "<p><em>a</em></p>\n"


def test_after_too_many_nothing_is_rendered_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme_module, "MOST_GIVEN_UP", 1)
    with Readmes(1, patience=0.2) as readmes:
        readmes.render(MARKDOWN, "> " * 50_000)
        assert readmes.render(MARKDOWN, "*a*").code == '<pre class="plain">*a*</pre>'


@pytest.mark.parametrize(
    "program",
    ["raise SystemExit(1)", "import sys; sys.stdin.readline(); print('{'); sys.stdout.flush()",
     "import sys; sys.stdin.close(); import time; time.sleep(0.2)",
     "import sys; sys.stdin.readline(); print('[' * 200_000, flush=True)",
     "print('null', end='', flush=True)",
     "import os, time; input(); os.close(0); print('null', flush=True); time.sleep(9)",
     "while True: print('a' * 100_000, end='')"],
)  # fmt: skip
def test_a_process_that_dies_or_lies_costs_its_readme(tmp_path: Path, program: str) -> None:
    path = tmp_path / "program.py"
    path.write_text(program)
    with Readmes(1, program=path) as readmes:
        for _ in range(2):
            assert readmes.render(MARKDOWN, "*a*").code == '<pre class="plain">*a*</pre>'


@pytest.mark.parametrize("begin", ["", "input(); print('null', flush=True)"])
def test_a_process_that_reads_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    monkeypatch.setattr(readme_module, "_START", 2.0 if begin else 0.2)
    path = tmp_path / "program.py"
    path.write_text(f"import time\n{begin}\ntime.sleep(30)")
    text = "a" * MAX_README  # more than a pipe takes
    with Readmes(1, patience=0.2, program=path) as readmes:
        start = time.monotonic()
        assert readmes.render(MARKDOWN, text).code == f'<pre class="plain">{text}</pre>'
        assert time.monotonic() - start < 10


def test_a_process_that_answers_something_else_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import sys\nfor line in sys.stdin: print('[1]', flush=True)\n")
    with Readmes(1, program=path) as readmes:
        assert readmes.render(MARKDOWN, "*a*").code == '<pre class="plain">*a*</pre>'


def test_many_threads_share_few_processes() -> None:
    with Readmes(2) as readmes, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: readmes.render(MARKDOWN, f"*{n}*").code, range(40)))
    assert found == [f"<p><em>{n}</em></p>\n" for n in range(40)]
    assert threading.active_count() < 20


HOSTILE = [
    '<img src="https://e.example.org/x.png" onerror="a()">',
    '<a href="javascript:a()">x</a>',
    '<a href="data:text/html,x">x</a>',
    '<a href="//e.example.org/x">x</a>',
    '<a href="../../x">x</a>',
    '<a href="jAva\tscript:a()">x</a>',
    '<p style="background:url(https://e.example.org)" class="badge verified" onclick="a()">x</p>',
    '<svg><script href="https://e.example.org/x.js"></script></svg>',
    '<math><mi xlink:href="javascript:a()">x</mi></math>',
    '<form action="https://e.example.org"><button formaction="javascript:a()">x</button></form>',
    '<iframe srcdoc="<script>a()</script>"></iframe>',
    '<picture><source srcset="https://e.example.org/x"></picture>',
    '<input autofocus onfocus="a()"><video poster="https://e.example.org/x"></video>',
    "<style>@import 'https://e.example.org/x'</style><link rel=stylesheet href=//e.example.org>",
    '<base href="https://e.example.org/"><meta http-equiv="refresh" content="0;url=//e">',
    '<noscript><p title="</noscript><img src=x onerror=a()>">',
]


@pytest.mark.parametrize("html", HOSTILE)
@pytest.mark.parametrize("kind", [MARKDOWN, ""])
def test_hostile_html_is_cleaned(html: str, kind: str) -> None:
    found = Reader.of((render(kind, html) or "") if kind else clean(html))
    for tag, attributes in found.tags:
        assert tag in {"a", "p"}
        assert attributes.keys() <= {"rel", "title"}


def test_raw_directives_do_not_work() -> None:
    assert render(REST, ".. raw:: html\n\n   <script>a()</script>\n") is None
    assert "javascript" not in (render(REST, "`x <javascript:a()>`_\n") or "")


def test_places_in_a_text_have_names_of_their_own() -> None:
    found = render(MARKDOWN, '[a](#usage) <b id="main">x</b>\n\n# Usage\n') or ""
    assert 'href="#readme-usage"' in found
    assert '<h3 id="readme-usage">' in found
    assert '<b id="readme-main">' in found


def test_images_become_what_they_show_and_headings_go_below_those_of_the_page() -> None:
    image = '<img src="x" alt="a &gt; &quot;b&quot;" title=">"><img src=y>'
    found = Reader.of(clean(f"<h1>A</h1><h6>B</h6>{image}"))
    assert found.tags == [("h3", {}), ("h6", {})]
    assert found.text == 'ABa > "b"'
    assert clean('<a href="https://a.example.org"><img src="x"></a>') == ""


@given(st.text("<>\"'=/ aimgsrcl&;-#:h1!", max_size=80))
def test_no_image_survives_whatever_it_looks_like(text: str) -> None:
    assert "<img" not in clean(f"<img {text}")
    assert "<img" not in clean(text)


def test_the_program_bounds_itself_and_answers_every_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", bounds.__setitem__)
    monkeypatch.setattr(rst, "SETTINGS", dict(rst.SETTINGS))
    lines = [[MARKDOWN, "*a*"], ["text/plain", "a"], [MARKDOWN, 1], [REST, "*a*"]]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    main()
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers == ["<p><em>a</em></p>\n", None, None, "<p><em>a</em></p>\n"]
    assert bounds[resource.RLIMIT_FSIZE] == bounds[resource.RLIMIT_CORE] == (0, 0)
    assert bounds[resource.RLIMIT_AS] == (MEMORY, MEMORY)


def test_the_process_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNDLE_PASSPHRASE", "secret")
    path = tmp_path / "program.py"
    answer = "print(json.dumps(str(os.environ)), flush=True)"
    path.write_text(f"import json, os, sys\nfor line in sys.stdin: {answer}\n")
    with Readmes(1, program=path) as readmes:
        found = readmes.render(MARKDOWN, "*a*").code
    assert "PATH" in found
    assert "secret" not in found
