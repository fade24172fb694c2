"""`vpsops slack-simulator`: the simulated workspace alone, for trying a set-up and for other people's bots."""
