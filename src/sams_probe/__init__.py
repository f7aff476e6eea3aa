"""`sams probe HOST`: what stands between a mail program and its submission server, seen from the member's side.

Theory of operation. Everything goes one way, and each step is a value that the next one reads:

    Options → names.found (addresses, SRV) → looks.examine (one `PortFindings` for each port and address)
            → verdicts.judge (a `Judgement`, a function of the findings) → report (text, or JSON)

`wire/` speaks with a socket under deadlines and limits, and reads what comes back without trusting any of it;
`smtp/` is the dialogue; `certificates/` reads what TLS shows. Only `looks/` and `names/` open connections, and only
`verdicts/` knows what a finding means for people.

The package is separate from `sams`, imports nothing but the standard library, and runs on Python 3.9 and later on
Windows, macOS and Linux: with `sams probe`, with `python -m sams_probe`, and as one file that `bundle` makes.
"""

from __future__ import annotations

__version__ = "0.1.0"
