"""The licences of all that is locked: what each package declares, and whether that is allowed for its use."""
