"""Models: what every one offers, a small GPT trained from scratch, any transformers model, and what trains them."""
