"""Who someone is: accounts and identifiers."""
