"""The `sams` command: for the administrator, for scripts, and to start the service."""
