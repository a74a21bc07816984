from __future__ import annotations

from pathlib import Path

import pytest

from bundler.model.asked import InputFile
from tests.fakes.inputs import LINUX, WINDOWS, asked, digest, faults, profile_of, read, write

FILE = '"requirements.txt"'


def test_a_file_as_people_write_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements__txt=f"""\
# The web service
--only-binary=:all:
--prefer-binary
--use-feature=truststore

-r reqs/base.txt
-c reqs/bounds.txt
Django[argon2] >= 5 ; python_version >= "3.10"  # the framework
uvicorn==0.30.1 \\
    --hash=sha256:{digest("wheel").upper()} \\
    --hash sha256:{digest("sdist")}
    # via -r web.in
pywin32; sys_platform == 'win32'
""",
        reqs___base__txt="requests>=2,<3\n--requirement=more.txt",
        reqs___more__txt="idna\n",
        reqs___bounds__txt="urllib3<3\n--constraint ../top.txt\n",
        top__txt=f"certifi>2020 --hash=sha256:{digest('c')}\n",
    )
    inputs = read(tmp_path, FILE, requirements=["numpy"], constraints=["scipy<2"])
    assert asked(inputs) == [
        "numpy (profile)",
        "requests<3,>=2 (reqs/base.txt, line 1)",
        "idna (reqs/more.txt, line 1)",
        'Django[argon2]>=5; python_version >= "3.10" (requirements.txt, line 8)',
        "uvicorn==0.30.1 (requirements.txt, line 9)",
        'pywin32; sys_platform == "win32" (requirements.txt, line 13)',
    ]
    assert [f"{item.requirement} ({item.origin})" for item in inputs.constraints] == [
        "scipy<2 (profile)",
        "urllib3<3 (reqs/bounds.txt, line 1)",
        "certifi>2020 (top.txt, line 1)",
    ]
    assert inputs.requirements[4].sha256s == {digest("wheel"), digest("sdist")}
    assert inputs.constraints[2].sha256s == {digest("c")}
    assert not inputs.require_hashes
    assert not inputs.locks
    assert [file.name for file in inputs.files] == [
        "requirements.txt",
        "reqs/base.txt",
        "reqs/more.txt",
        "reqs/bounds.txt",
        "top.txt",
    ]
    assert inputs.files[4].data == (tmp_path / "top.txt").read_bytes()


def test_a_file_beside_the_profiles_folder(tmp_path: Path) -> None:
    write(tmp_path, a__txt="x", profiles___b__txt="-r ../a.txt\n-r ../profiles/./b2.txt")
    write(tmp_path, profiles___b2__txt="y")
    inputs = read(tmp_path / "profiles", '"../profiles/b.txt"')
    assert asked(inputs) == ["x (../a.txt, line 1)", "y (b2.txt, line 1)"]
    assert inputs.files[1] == InputFile("../a.txt", b"x")


@pytest.mark.parametrize("text", ["--require-hashes\na", "a\n--require-hashes --prefer-binary"])
def test_hashes_may_be_demanded(tmp_path: Path, text: str) -> None:
    write(tmp_path, requirements__txt=text)
    assert read(tmp_path, FILE).require_hashes


@pytest.mark.parametrize(
    "line",
    ["-rb.txt", "-r b.txt", "--requirement b.txt", "--requirem=b.txt", "--prefer-binary -r b.txt"],
)
def test_options_are_spelt_as_pip_takes_them(tmp_path: Path, line: str) -> None:
    write(tmp_path, requirements__txt=line, b__txt="a\t--hash=sha256:" + digest("a"))
    assert asked(read(tmp_path, FILE)) == ["a (b.txt, line 1)"]


def test_an_option_for_builds_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="a --config-settings=x=y -C z=1 --no-require-hashes")
    assert asked(read(tmp_path, FILE)) == ["a (requirements.txt, line 1)"]


def test_a_file_is_taken_once_in_each_role(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements__txt="-r b.txt\n-r c.txt\n-c b.txt\n-c c.txt",
        b__txt="-r c.txt\nb",
        c__txt="c",
    )
    inputs = read(tmp_path, FILE, '"c.txt"')
    # As with pip, "-r" in a constraints file has requirements behind it.
    assert asked(inputs) == ["c (c.txt, line 1)", "b (b.txt, line 2)"]
    assert [item.origin for item in inputs.constraints] == ["b.txt, line 2", "c.txt, line 1"]


def test_files_that_name_each_other(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="-r b.txt", b__txt="a\n-c c.txt", c__txt="-r ./b.txt")
    assert faults(tmp_path, FILE) == [
        "c.txt:1: the files name each other in a circle: b.txt → c.txt → b.txt"
    ]


def test_constraints_of_the_profile(tmp_path: Path) -> None:
    write(tmp_path, bounds__txt="a<2 # not 2\nb[x]<3\n./c")
    assert faults(tmp_path, requirements=["a"], constraint_files=["bounds.txt"]) == [
        "bounds.txt:2: a constraint on b cannot ask for extras",
        "bounds.txt:3: a path comes from no index; name the project and a version",
    ]
    write(tmp_path, bounds__txt="a<2")
    inputs = read(tmp_path, requirements=["a"], constraint_files=["bounds.txt"])
    assert [str(item.requirement) for item in inputs.constraints] == ["a<2"]


def test_digests_are_those_of_the_lines_that_count(tmp_path: Path) -> None:
    def line(text: str, *names: str) -> str:
        return " ".join([text, *(f"--hash=sha256:{digest(name)}" for name in names)])

    write(
        tmp_path,
        requirements__txt="\n".join(
            [
                line("Some.App==1 ; sys_platform == 'win32'", "1", "2"),
                line("some_app==2 ; sys_platform != 'win32'", "3", "4"),
                "some-app>0",
                "free",
                "-c bounds.txt",
            ]
        ),
        bounds__txt=line("some-app", "1", "3", "5"),
    )
    inputs = read(tmp_path, FILE, platforms=(WINDOWS, LINUX))
    windows, linux = profile_of(FILE, platforms=(WINDOWS, LINUX)).parsed_targets()
    assert inputs.digests(windows) == {"some-app": {digest("1")}}
    assert inputs.digests(linux) == {"some-app": {digest("3")}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "-i https://u:s3cret@example.org/",
            "--index-url cannot be honoured; name the index in an",
        ),
        ("--index-url=https://u:s3cret@example.org/", "--index-url cannot be honoured; name the"),
        ("--extra-index-url https://s3cret.example.org", "--extra-index-url cannot be honoured"),
        ("--no-index", "--no-index cannot be honoured; name the index in an [[index]]"),
        ("-f https://s3cret", "--find-links cannot be honoured; name the index in an [[index]]"),
        ("--trusted-host s3cret", "--trusted-host cannot be honoured; name the certificate"),
        ("--no-binary :all:", "--no-binary cannot be honoured; wheels are what is carried"),
        ("--pre", "--pre cannot be honoured; a specifier that names a pre-release, such as"),
        ("--all-releases a", "--all-releases cannot be honoured; a specifier that names"),
        ("--only-final :all:", "--only-final cannot be honoured; pre-releases stay out"),
        ("-e .", "--editable cannot be honoured; build a wheel, put it onto your index"),
        ("--editable git+ssh://s3cret", "--editable cannot be honoured; build a wheel"),
        ("a --pre", "--pre cannot be honoured"),
        ("a -r b.txt", "--requirement belongs onto a line of its own"),
        ("a --require-hashes", "--require-hashes belongs onto a line of its own"),
        ("--prefer-binary a", "neither a requirement nor an option; a requirement stands before"),
        ("--", "neither a requirement nor an option"),
        ("-", "neither a requirement nor an option"),
        ("--s3cret", "option --s3cret not recognized"),
        ("--nonsense=s3cret", "option --nonsense not recognized"),
        ("--pre=s3cret", "option --pre must not have an argument"),
        ("-r", "option -r requires argument"),
        ("--re x", "option --re not a unique prefix"),
        ("a --hash='s3cret", "the options cannot be read: No closing quotation"),
        ("-r https://s3cret.example.org/a.txt", "--requirement names a URL; fetch the file and"),
        ("-c FILE:///s3cret", "--constraint names a URL; fetch the file and name its path"),
        ("a @ https://u:s3cret@example.org/a.whl", "a URL requirement comes from no index; name"),
        ("a @ file:s3cret", "a URL requirement comes from no index; name the project and a"),
        ("https://u:s3cret@example.org/a.whl", "a URL requirement comes from no index"),
        ("git+https://s3cret@example.org/a#egg=a", "a URL requirement comes from no index"),
        ("./s3cret", "a path comes from no index; name the project and a version"),
        ("s3cret-1-py3-none-any.whl", "a path comes from no index; name the project and a version"),
        ("a ==> 1", "'a ==> 1': Expected "),
        ("a; os_name ~= 'x'", "its marker cannot be evaluated: "),
        ("a; 'x' in extras", "its marker asks for 'extras', which is for locks only"),
        ("a==${VERSION}", "environment variables are not looked up; write the value of ${VERSION}"),
        ("-r ${WHERE}/a.txt", "environment variables are not looked up; write the value of"),
        ("--hash=sha256:00", "--hash has no requirement; the line above must end with a backslash"),
        ("a --hash=sha256", "--hash wants an algorithm and a digest: --hash=sha256:0123…"),
        ("a --hash=sha512:00", "--hash=sha512: … cannot be checked; give the sha256 digest"),
        ("a --hash=sha256:00", "not a sha256 digest: '00'"),
    ],
)
def test_what_cannot_be_honoured_is_told(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path, requirements__txt=f"ok\n\n{line}\n")
    (told,) = faults(tmp_path, FILE)
    assert told.startswith(f"requirements.txt:3: {message}")
    if "option --s3cret" not in message:
        assert "s3cret" not in told


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="-r gone.txt\n-e .\n-r b.txt\n--pre", b__txt=b"\xff")
    assert [line.partition(";")[0] for line in faults(tmp_path, FILE, '"gone too.txt"')] == [
        "requirements.txt:1: gone.txt cannot be read: No such file or directory",
        "requirements.txt:2: --editable cannot be honoured",
        "b.txt: not utf-8 text",
        "requirements.txt:4: --pre cannot be honoured",
        "profile.requirement-files[1]: gone too.txt cannot be read: No such file or directory",
    ]


def test_a_name_that_no_disk_has(tmp_path: Path) -> None:
    write(tmp_path, requirements__txt="-r a\0b")
    (told,) = faults(tmp_path, FILE)
    assert told.endswith("cannot be read: embedded null byte")
