"""A program of its own that reads native libraries with LIEF: `python parsing.py`, in a pipe.

LIEF is C++ and is shown bytes that anyone can have written. So it runs in this small process with
bounds on its memory and files, and no bug of it is one of the process that holds keys. A line
`["elf", "/path"]` comes in, a line of JSON goes out; null stands for a file that is not readable.
Imports nothing of `bundler`: it is started by its path.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from typing import Any, Final

import lief

MEMORY: Final = 6 << 30
"""Bytes of address space; LIEF holds a whole library, the largest are some 2 GB."""

_LONGEST: Final = 200
_MOST: Final = 200
_ELF: Final = {
    "X86_64": "x86_64",
    "I386": "x86",
    "AARCH64": "aarch64",
    "ARM": "arm",
    "PPC64": "ppc64",
    "S390": "s390x",
    "RISCV": "riscv64",
    "LOONGARCH": "loongarch64",
}
_PE: Final = {"AMD64": "x86_64", "I386": "x86", "ARM64": "aarch64", "ARMNT": "arm"}
_MACH_O: Final = {"X86_64": "x86_64", "X86": "x86", "ARM64": "aarch64", "ARM": "arm"}


def read(form: str, path: str) -> dict[str, Any] | None:
    """What a library says of itself; None when it is not readable."""
    found = {"elf": _read_elf, "pe": _read_pe, "mach-o": _read_mach_o}[form](path)
    if found is None:
        return None
    name, build, needed = found["name"], found["build"], found["needed"]
    return {
        "architectures": sorted(set(found["architectures"])),
        "program": found["program"],
        "name": _plain(name) if name else None,
        "build": build or None,
        "needed": sorted({_plain(each) for each in needed})[:_MOST],
    }


def _read_elf(path: str) -> dict[str, Any] | None:
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_dyn_symbols = config.parse_symtab_symbols = False
    config.parse_symbol_versions = config.parse_overlay = False
    binary = lief.ELF.parse(path, config)
    if binary is None:
        return None
    machine = _ELF.get(binary.header.machine_type.name, binary.header.machine_type.name.lower())
    little = binary.header.identity_data.name == "LSB"
    names = [e.name for e in binary.dynamic_entries if isinstance(e, lief.ELF.DynamicSharedObject)]
    builds = [note for note in binary.notes if note.type.name == "GNU_BUILD_ID"]
    return {
        "architectures": ["ppc64le" if machine == "ppc64" and little else machine],
        "program": binary.has_interpreter,
        "name": names[0] if names else None,
        "build": bytes(builds[0].description).hex() if builds else None,
        "needed": binary.libraries,
    }


def _read_pe(path: str) -> dict[str, Any] | None:
    config = lief.PE.ParserConfig()
    config.parse_signature = config.parse_rsrc = config.parse_reloc = False
    binary = lief.PE.parse(path, config)
    if binary is None:
        return None
    machine = binary.header.machine.name
    export = binary.get_export()
    pdb = binary.codeview_pdb
    return {
        "architectures": [_PE.get(machine, machine.lower())],
        "program": "DLL" not in {each.name for each in binary.header.characteristics_list},
        "name": export.name if export else None,
        "build": f"{pdb.guid}-{pdb.age:x}" if pdb else None,
        "needed": binary.libraries,
    }


def _read_mach_o(path: str) -> dict[str, Any] | None:
    binaries = lief.MachO.parse(path, lief.MachO.ParserConfig.quick)
    if binaries is None or not len(binaries):
        return None
    slices = list(binaries)
    machines = [binary.header.cpu_type.name for binary in slices]
    first = slices[0]
    own = {"ID_DYLIB"}
    names = [each.name for each in first.libraries if each.command.name in own]
    return {
        "architectures": [_MACH_O.get(machine, machine.lower()) for machine in machines],
        "program": first.header.file_type.name == "EXECUTE",
        "name": names[0] if names else None,
        "build": bytes(first.uuid.uuid).hex() if first.uuid else None,
        "needed": [each.name for each in first.libraries if each.command.name not in own],
    }


def _plain(text: object) -> str:
    """Of bounded length, and nothing but what can be printed."""
    return "".join(each if each.isprintable() else "?" for each in str(text)[:_LONGEST])


def _answers() -> Iterator[str]:
    for line in sys.stdin:
        form, path = json.loads(line)
        try:
            yield json.dumps(read(form, path))
        except Exception:  # noqa: BLE001 - a library that is not readable, in whatever way
            yield "null"


def main() -> None:
    """Answer until the pipe is closed."""
    for kind, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, MEMORY),
    ):
        resource.setrlimit(kind, (bound, bound))
    lief.logging.disable()
    for answer in _answers():
        print(answer, flush=True)  # noqa: T201 - this is what it is for


if __name__ == "__main__":
    main()
