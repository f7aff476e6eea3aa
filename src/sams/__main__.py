"""`python -m sams` is the `sams` command."""

from sams.cli.main import main

if __name__ == "__main__":
    main()
