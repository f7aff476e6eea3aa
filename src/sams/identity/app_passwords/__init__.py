"""App passwords, for members of every source: made and revoked (`store`), found (`lookup`), last used (`uses`)."""
