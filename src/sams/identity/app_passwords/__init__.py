"""App passwords of members of every source: made and revoked (`store`), found at a sign-in (`lookup`), last used (`uses`)."""
