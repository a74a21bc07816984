"""TLS: reading in large pieces, and the certificate of a client.

A TLS record has 16 KiB at most (RFC 8446 §5.1) and `SSLSocket.recv` gives one of them. For a large
download that is many thousand ways through the HTTP library, each of which costs more than the
record itself and waits for Python's lock.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from bundler.errors import NetworkError

AT_ONCE: Final = 256 * 1024
"""Bytes; who reads stops asking for further records once there are as many."""


class EagerSocket(ssl.SSLSocket):
    """An SSLSocket whose `recv` gives all records that are there already.

    It gives more bytes than were asked for. The HTTP library, its only reader, takes any amount.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Wait for one record as usual, then take those behind it without waiting."""
        received = super().recv(buflen, flags)
        pieces, size = [received], len(received)
        timeout = self.gettimeout()
        self.settimeout(0)
        # Any fault that comes after data is met again by the next call.
        with suppress(OSError):
            while received and size < AT_ONCE:
                received = super().recv(AT_ONCE - size, flags)
                pieces.append(received)
                size += len(received)
        self.settimeout(timeout)
        return b"".join(pieces)


def read_eagerly(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let every connection that is made with `context` read in large pieces; `context` itself."""
    context.sslsocket_class = EagerSocket
    return context


def present_certificate(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    """Use the client certificate that BUNDLER_CLIENT_CERT names (PEM), if it does.

    BUNDLER_CLIENT_KEY names the file of its private key, where that is another one.

    Raises:
        NetworkError: if they cannot be used; nothing of the key is in the message.
    """
    certificate = environ.get("BUNDLER_CLIENT_CERT")
    if not certificate:
        return
    key = environ.get("BUNDLER_CLIENT_KEY") or None
    hint = "BUNDLER_CLIENT_CERT and BUNDLER_CLIENT_KEY name PEM files; the key has no passphrase"
    try:
        # An empty passphrase: OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        of_tls = isinstance(error, ssl.SSLError)
        what = "it is no certificate with its key" if of_tls else error.strerror
        raise NetworkError(f"the client certificate {certificate}: {what}", hint=hint) from error
