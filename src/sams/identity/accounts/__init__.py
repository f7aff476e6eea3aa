"""The built-in accounts: one SQLite file, changed by commands (`store`), read by workers (`builtin`)."""
