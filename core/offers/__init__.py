"""Which operations the provider's API turned out not to offer, in which region, and since when."""
