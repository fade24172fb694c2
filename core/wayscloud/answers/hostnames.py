"""Spellings of one hostname: a provider may change the case, add the final dot, or keep the first label alone."""


def canonical_hostname(text: str) -> str:
    """Return a hostname trimmed, in lower case, without the final dot."""
    return text.strip().casefold().rstrip(".")


def same_hostname(name_a: str, name_b: str) -> bool:
    """Whether two spellings can mean one host; a name without a domain matches any name with that first label."""
    first, second = canonical_hostname(name_a), canonical_hostname(name_b)
    if not first or not second:
        return False
    if "." in first and "." in second:
        return first == second
    return first.partition(".")[0] == second.partition(".")[0]
