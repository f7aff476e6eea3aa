"""What is done to a message's octets. No I/O, and nothing parses a message to write it anew."""
