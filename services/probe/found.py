# SPDX-License-Identifier: Apache-2.0
"""What a look comes back with, and the words for what may go wrong on the way."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass

from services.model.base import cleaned

QUOTED = 60
"""Signs of a server's own words that are repeated."""


@dataclass(frozen=True)
class Found:
    """Nothing speaks against the server."""

    words: str = ""
    percent: int | None = None
    """How idle it says it is."""


class Failed(Exception):
    """Something speaks against the server; the words say what."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Unlooked(Exception):
    """Nobody could look, and that is no fault of the server's."""


def quoted(answer: str | bytes) -> str:
    """A server's own words as they may be repeated: short, in one line, nothing invisible."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return cleaned(" ".join(text.split()), QUOTED) or "nothing"


def unexpected(answer: str | bytes, expected: str) -> Failed:
    """The answer is another one than it should be."""
    return Failed(f"answer {quoted(answer)}, expected {expected}")


_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "no route to the server",
    errno.ENETUNREACH: "no route to its network",
    errno.EHOSTDOWN: "no route to the server",
    errno.ETIMEDOUT: "no answer",
    errno.EPROTO: "protocol error",
    errno.EMSGSIZE: "the question is too long for one packet",
}
"""What the kernel says of the way to a server. Other errors are of this unit's own making."""

_CERTIFICATE = {
    9: "TLS certificate not valid yet",
    10: "TLS certificate expired",
    18: "TLS certificate signed by itself",
    62: "TLS name mismatch",
    64: "TLS name mismatch",
}
"""OpenSSL's numbers, x509_vfy.h."""


def words_for(error: OSError) -> str:
    """What the kernel or TLS says, in words; raises `Unlooked` for what is our own trouble."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "TLS certificate not trusted")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return f"TLS fails: {reason}" if reason else "TLS fails"
    if words := _WORDS.get(error.errno or 0):
        return words
    raise Unlooked(error.strerror or str(error)) from error
