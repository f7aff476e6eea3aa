"""The built-in accounts: one SQLite file, which commands change (`store`) and workers read (`builtin`, by `watch`)."""
