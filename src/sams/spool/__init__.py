"""Where messages wait: durable, shared commits, one owner per shard."""
