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
    19: "TLS certificate from an unknown authority",
    20: "TLS certificate from an unknown authority",
    21: "TLS certificate from an unknown authority",
    62: "TLS name mismatch",
    64: "TLS name mismatch",
}
"""OpenSSL's numbers, x509_vfy.h."""

MISMATCH = frozenset({62, 64})
"""Of these, that only the name is wrong: a host's, an address's."""

_NO_TLS = "the server speaks no TLS there"
_NO_VERSION = "no version of TLS in common"
_NO_CIPHER = "no cipher in common"
_WEAK = "a key of the server is too weak"
_CLOSED = "the server closes the connection"
_HANDSHAKE = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _NO_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NO_VERSION,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NO_CIPHER,
    "SSL/TLS_ALERT_HANDSHAKE_FAILURE": _NO_CIPHER,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NO_CIPHER,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a certificate of its client",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know the name it is asked for",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the server does not know the name it is asked for",
    "TLSV1_ALERT_INTERNAL_ERROR": "the server has an internal error",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "the server lacks secure renegotiation",
    "UNEXPECTED_EOF_WHILE_READING": _CLOSED,
    "DH_KEY_TOO_SMALL": _WEAK,
    "EE_KEY_TOO_SMALL": _WEAK,
}
"""OpenSSL's reasons, sslerr.h, in words; others are told as they are."""


def words_for(error: OSError) -> str:
    """What the kernel or TLS says, in words; raises `Unlooked` for what is our own trouble."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "TLS certificate not trusted")
    if isinstance(error, ssl.SSLError):
        told = error.reason or ""
        reason = _HANDSHAKE.get(told) or told.replace("_", " ").lower()
        return f"TLS fails: {reason}" if reason else "TLS fails"
    if isinstance(error, ConnectionResetError) and error.errno is None:
        return f"TLS fails: {_CLOSED}"  # asyncio's own, of a handshake that was cut off
    if words := _WORDS.get(error.errno or 0):
        return words
    raise Unlooked(error.strerror or str(error)) from error
