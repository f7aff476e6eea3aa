"""The suites of TLS that the service takes, wherever it is a server."""

from __future__ import annotations

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has nothing else."""
