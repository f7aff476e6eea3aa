"""Values of the domain. Nothing here does I/O, reads a clock or knows a protocol's state."""
