"""Sign every user of the benchmark in once, so that their passwords are remembered: sign_in.py USERS PORT.

PORT takes implicit TLS. The benchmark measures mail programs that connect again, not the first sign-in of the day.
"""

from __future__ import annotations

import smtplib
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_ONCE = 4


def main() -> None:
    """See the file's own words."""
    users, port = Path(sys.argv[1]), int(sys.argv[2])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the benchmark's is self-signed

    def sign_in(line: str) -> None:
        address, _, password = line.partition(":")
        with smtplib.SMTP_SSL("127.0.0.1", port, context=context) as client:
            client.login(address, password)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(sign_in, users.read_text().split()))


if __name__ == "__main__":
    main()
