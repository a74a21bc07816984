"""Native libraries of a few hundred bytes, as far as parsers look."""

from __future__ import annotations

import struct

ELF_MACHINES = {"x86": 3, "arm": 40, "x86_64": 62, "aarch64": 183, "ppc64le": 21, "s390x": 22}
PE_MACHINES = {"x86_64": 0x8664, "aarch64": 0xAA64, "x86": 0x14C}
MACH_O_MACHINES = {"x86_64": 0x01000007, "aarch64": 0x0100000C}


def elf(machine: str, *, soname: str = "", needed: str = "", build: bytes = b"") -> bytes:
    """A shared object of 64 bits: a header, a dynamic section with its strings, and a note."""
    order = ">" if machine == "s390x" else "<"
    strings = b"\0" + soname.encode() + b"\0" + needed.encode() + b"\0"
    entries = [(5, 0x200), (10, len(strings))]
    entries += [(14, 1)] if soname else []
    entries += [(1, len(soname) + 2)] if needed else []
    dynamic = b"".join(struct.pack(f"{order}QQ", *entry) for entry in [*entries, (0, 0)])
    note = struct.pack(f"{order}3L4s", 4, len(build), 3, b"GNU\0") + build
    sections = [(1, 0, 0x400), (2, 0x100, len(dynamic)), (4, 0x300, len(note))]
    table = b"".join(
        struct.pack(f"{order}2L6Q", kind, 4, offset, offset, offset, size, size, 8)
        for kind, offset, size in sections
    )
    ident = b"\x7fELF\x02" + (b"\x02" if order == ">" else b"\x01") + b"\x01".ljust(10, b"\0")
    header = ident + struct.pack(
        f"{order}2HL3QL6H",
        3,
        ELF_MACHINES[machine],
        1,
        0,
        64,
        0,
        0,
        64,
        56,
        len(sections),
        64,
        0,
        0,
    )
    image = bytearray(0x400)
    for offset, part in (
        (0, header),
        (64, table),
        (0x100, dynamic),
        (0x200, strings),
        (0x300, note),
    ):
        image[offset : offset + len(part)] = part
    return bytes(image)


def pe(machine: str, *, program: bool = False) -> bytes:
    """A DLL or a program of Windows: the headers and one empty section."""
    characteristics = 0x0022 | (0 if program else 0x2000)
    wide = machine != "x86"
    optional = struct.pack("<H", 0x20B if wide else 0x10B).ljust(0xF0 if wide else 0xE0, b"\0")
    coff = struct.pack(
        "<4s2H3L2H", b"PE\0\0", PE_MACHINES[machine], 1, 0, 0, 0, len(optional), characteristics
    )
    section = struct.pack("<8s6L2HL", b".text", 512, 4096, 512, 512, 0, 0, 0, 0, 0x60000020)
    start = b"MZ".ljust(0x3C, b"\0") + struct.pack("<L", 0x80)
    return (start.ljust(0x80, b"\0") + coff + optional + section).ljust(1024, b"\0")


def mach_o(machine: str, *, uuid: bytes = bytes(range(16))) -> bytes:
    """A bundle of macOS with nothing but its UUID."""
    command = struct.pack("<2L", 0x1B, 24) + uuid
    header = struct.pack("<8L", 0xFEEDFACF, MACH_O_MACHINES[machine], 0, 8, 1, len(command), 0, 0)
    return header + command


def fat(*slices: bytes) -> bytes:
    """One file for several machines (a universal binary)."""
    table, body = b"", b""
    start = 4096
    for one in slices:
        cpu = struct.unpack_from("<L", one, 4)[0]
        table += struct.pack(">5L", cpu, 0, start + len(body), len(one), 12)
        body += one.ljust(4096, b"\0")
    return (struct.pack(">2L", 0xCAFEBABE, len(slices)) + table).ljust(start, b"\0") + body
