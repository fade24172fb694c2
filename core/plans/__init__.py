"""Plans: one question about many servers, which are ordinary changes one after another."""
