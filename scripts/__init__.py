"""Tools of the repository itself; nothing of Settle imports them."""
