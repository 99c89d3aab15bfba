"""The best classical answers, from well-kept libraries where they exist: (observation, operator, sigma) -> estimate."""
