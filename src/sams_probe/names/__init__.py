"""Names: DNS messages, resolvers, and what a host's name leads to."""
