"""Coverage-guided fuzzing of all that turns a card's bytes into values: `make fuzz`, and a replay in the suite."""
