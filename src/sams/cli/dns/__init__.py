"""`sams dns`: the records that the domains should have, and whether DNS has them."""
