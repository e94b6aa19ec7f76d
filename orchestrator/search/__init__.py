"""The searches: how the next cells are chosen. Each file is a kind; none knows who runs them."""
