"""The playground: the whole product in a browser, on simulators; loopback only."""
