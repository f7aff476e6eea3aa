"""`python -m sams_probe HOST`."""

from __future__ import annotations

import sys

from sams_probe.command import main

if __name__ == "__main__":
    sys.exit(main())
