"""What a real model, SmolLM2 with 135M parameters, says of the methods: small budgets, called what they are."""
