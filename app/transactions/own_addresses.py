"""Whether an address is, or was, one of ours: a fee payer's or a single-use account's."""


def is_ours(address: str) -> str:
    """The condition in SQL; `address`: the parameter that it is about, such as `$1`.

    All groups have one of a few keys. Of "is there one with this key" the planner expects to find one at once, and
    reads the whole table when there is none; of "the first that is not below it" it takes the index.
    """
    return " OR ".join(
        f"EXISTS (SELECT FROM {table} WHERE address = {address})"  # noqa: S608  # names of ours
        f" OR coalesce((SELECT min(base) FROM {table} WHERE base >= {address}) = {address}, false)"
        for table in ("payment_groups", "former_pins")
    )
