"""Every operation that changes something, on every dialect, with every kind of answer: how its change ends."""
