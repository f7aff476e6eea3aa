"""Sans-IO engines: bytes in, events out. No I/O, no clock, no knowledge of accounts."""
