"""Who somebody is: accounts and identifiers."""
