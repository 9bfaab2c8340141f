"""From a text to the quantities that it quotes."""
