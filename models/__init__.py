"""Models: what every language model offers, a small GPT trained from scratch, any transformers model, and their optimisers."""
