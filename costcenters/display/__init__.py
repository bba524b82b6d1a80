"""How figures, sentences, charts and colours look, on every page of the bill."""
